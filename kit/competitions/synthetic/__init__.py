"""How synthetic cells are planned and drawn: four channels, 28 organelles, one microscope."""
