"""Places that take de-identified objects over the network: a PACS by C-STORE, an archive by STOW-RS."""
