"""Does dropout change how a small network overfits Fashion-MNIST, and by how much?"""

__version__ = "0.2.0"
