"""What `hmchain doctor` looks at, a file a subject: each check gives findings, and none needs another to hold."""
