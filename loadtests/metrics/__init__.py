"""What a run tells Prometheus while it goes on: counted where the run knows it anyway, served on loopback."""
