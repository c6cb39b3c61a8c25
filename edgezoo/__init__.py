"""The command line and the main job: images, a device and a budget in, a measured network out."""
