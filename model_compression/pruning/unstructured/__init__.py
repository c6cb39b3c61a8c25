"""Pruning of single weights: masks, the methods that choose them, and the size of what is left.

No dense runtime gets faster from it: a weight that is zero is multiplied like any other, so onnxruntime, OpenVINO and
the rest take as long as before, whatever the sparsity. What gets smaller is the file, by the sparse formats and the
compression that `size` counts. To save time, cut out channels.

Each method works on the network it is given and leaves masks in it, which hold through any training:

    prune_by_magnitude(network, 0.9)
    train(network, data, config, resolution=32)
    remove_masks(network)  # the zeros stay, the masks go: now it can be saved and exported
"""
