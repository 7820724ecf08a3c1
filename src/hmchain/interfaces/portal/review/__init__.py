"""The review of what waits in quarantine: the first pages of the portal, which `hmchain data quarantine` opens.

`exchange` says what a page is asked and answers; `gate` who may ask; `quarantine` what the pages do, and `gallery` and
`item` how they look; `server` listens. All but `server` know no socket, so that another server can carry them.
"""
