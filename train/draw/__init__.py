"""What is drawn and captured: pictures, cuts, pieces, tables, cameras."""
