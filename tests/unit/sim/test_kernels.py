"""The cache of compiled kernels: a folder for each state of the sources, and few of them."""

from pathlib import Path

from numba import config

from sim import kernels


def test_the_cache_is_named_for_the_sources_and_old_ones_go(tmp_path, monkeypatch):
    package = tmp_path / "sim"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kernels.py").touch()
    monkeypatch.setattr(kernels, "__file__", str(package / "kernels.py"))
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "caches"))
    chosen: list[Path] = []
    for version in range(kernels.CACHES_KEPT + 3):
        (package / "leaf.py").write_text(f"from sim.kernels import leaf_kernel\n# version {version}")
        monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "caches"))
        kernels._choose_cache()
        chosen.append(Path(config.CACHE_DIR))
        chosen[-1].mkdir(parents=True, exist_ok=True)
    assert len(set(chosen)) == len(chosen)
    assert len(list((tmp_path / "caches" / "kernels").iterdir())) == kernels.CACHES_KEPT
    assert chosen[-1].exists()


def test_a_source_that_no_kernel_imports_does_not_count(tmp_path, monkeypatch):
    package = tmp_path / "sim"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kernels.py").touch()
    monkeypatch.setattr(kernels, "__file__", str(package / "kernels.py"))
    (package / "leaf.py").write_text("from sim.kernels import leaf_kernel")
    folders = []
    for text in ("x = 1", "x = 2"):
        (package / "other.py").write_text(text)
        monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "caches"))
        kernels._choose_cache()
        folders.append(config.CACHE_DIR)
    assert folders[0] == folders[1]
