"""What all pages share: axes, colours, SVG and the page itself."""
