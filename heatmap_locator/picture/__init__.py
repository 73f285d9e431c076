"""The picture and its photos: reading files, corners of a lid at an angle."""
