"""What a run will take, said before it begins: images, masks, minutes, memory, disk."""
