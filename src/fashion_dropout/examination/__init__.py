"""A finished study looked at again: its models under corrupted images, the labels of its data."""
