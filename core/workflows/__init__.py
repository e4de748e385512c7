"""Operations made of others: land cover maps, command lines."""
