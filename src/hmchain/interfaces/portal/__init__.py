"""The portal: pages of a hospital's own, in the browser."""
