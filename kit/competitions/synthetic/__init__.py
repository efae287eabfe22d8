"""Plans and draws synthetic cells: four channels, 28 organelles, one microscope."""
