"""Names of the nodes of an exported network, which tell the modules that they come from."""


def module_path(node_name: str) -> str:
    """Return the module that the exporter named a node after: `/blocks/blocks.3/dw/conv/Conv` -> `blocks.3.dw.conv`.

    >>> module_path("/blocks/blocks.3/main/main.0/act/Relu_output_0_nchwc_kernel_time")
    'blocks.3.main.0.act'
    """
    if not node_name.startswith("/"):
        return ""
    path: list[str] = []
    previous = ""
    for part in node_name.split("/")[1:-1]:
        # a child of a Sequential is called parent.index
        path.append(part.removeprefix(previous + ".") if previous else part)
        previous = part
    return ".".join(path)
