"""The drawing kit: HTML, SVG charts and figures, and the pages that services make."""
