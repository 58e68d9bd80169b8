#!lua flags=no-writes
-- How often a verification has changed, to see cheaply whether it did.
-- KEYS[1] verification
-- Returns the count, as text; '' if there is no such verification
return text(KEYS[1], 'revision')
