"""What people read: tables, figures and the page of a twin. Nothing is solved here."""
