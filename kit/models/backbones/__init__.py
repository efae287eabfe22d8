"""One file per family of backbones; a file in this folder is found automatically."""
