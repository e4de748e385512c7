"""What every part uses: progress, addresses, temporary files, JSON from outside, archives."""
