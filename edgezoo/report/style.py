"""How all pictures look."""

import plotly.graph_objects as go

BLUE, GREY, RED, GREEN, INK = "#2f6fde", "#9aa5b1", "#d1495b", "#2a9d5c", "#1f2933"


def layout(figure: go.Figure, x: str, y: str, *, height: int = 460) -> go.Figure:
    """Give `figure` the common look and the titles of its axes; returns it."""
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "color": INK, "size": 13},
        margin={"l": 60, "r": 20, "t": 20, "b": 110},
        height=height,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        xaxis={"title": x},
        yaxis={"title": y},
    )
    return figure
