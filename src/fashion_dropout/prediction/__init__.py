"""The verb ``predict``: image files, their predicted classes, and the tables that show them."""
