"""Access: who signs in at a hospital's portal, and what each person may do there. Knows no server and no page."""
