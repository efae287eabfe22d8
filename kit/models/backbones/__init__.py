"""One file a family of backbones; being in this folder is enough to be found."""
