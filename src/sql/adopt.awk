# adopt.awk - makes of the installation script one that runs where pgvector's objects are
# members of this extension already, see migrate_before.sql: functions and aggregates are
# replaced, types, operators and operator classes that are there stay.

/^CREATE (FUNCTION|AGGREGATE) / { sub(/^CREATE/, "CREATE OR REPLACE") }

/^CREATE (TYPE|OPERATOR|OPERATOR CLASS) / {
	print "DO $adopt$\nBEGIN"
	inside = 1
}

{ print }

inside && /;$/ {
	print "EXCEPTION WHEN duplicate_object OR duplicate_function THEN NULL;\nEND\n$adopt$;"
	inside = 0
}
