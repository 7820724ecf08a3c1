"""Sources of pictures: folders and archives of files, arrays, and whose pictures they are."""
