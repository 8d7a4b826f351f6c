"""The outside world of the inbox: where files are kept, and who scans them."""
