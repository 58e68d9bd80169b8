"""Operations of the XML interface that operators use by the command line; sending codes needs none of them."""
