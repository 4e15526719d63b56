"""What several readers share: pictures, patterns of paths, polygons, large JSON files."""
