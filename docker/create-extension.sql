-- runs once, in the database that the container creates at its first start
CREATE EXTENSION pgtunsync;
