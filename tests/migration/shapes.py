"""The combinations of the host's shapes that migrate is tried on."""

from tests.host.shapes import HostShape

SHAPES = [
    HostShape(),
    HostShape(supabase=False),
    HostShape(columns="november_2025", supabase=False),
    HostShape(columns="november_2025", sync_logs=True, rows=True),
    HostShape(sync_logs=True, star_columns="present", rows=True, leftovers=True),
    HostShape(sync_logs=True, star_columns="checked", rows=True, leftovers=True),
    HostShape(columns="november_2025", supabase=False, star_columns="checked", sync_logs=True),
]


def described(shape: HostShape) -> str:
    """A name for a test's parameter."""
    parts = [shape.columns, "supabase" if shape.supabase else "plain", f"columns {shape.star_columns}"]
    parts += [
        word
        for word, present in (("logs", shape.sync_logs), ("rows", shape.rows), ("left-overs", shape.leftovers))
        if present
    ]
    return ", ".join(parts)
