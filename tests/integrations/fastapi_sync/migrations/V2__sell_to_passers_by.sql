INSERT INTO customers (name) VALUES ('Passer-by');
