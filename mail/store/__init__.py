"""The truth: the database and the blob files. All SQL of the product lives in this package."""
