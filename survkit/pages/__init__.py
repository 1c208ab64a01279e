"""What the pages that people read are made of: sections, tables, figures and their colours."""
