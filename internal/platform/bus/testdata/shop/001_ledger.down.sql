drop table effects, causes;
