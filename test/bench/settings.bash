# settings.bash - what the environment does not say about a bench, see README.md.

# settings QUICK: 1 for the quick ones.
settings()
{
	local defaults setting variable

	if [ "${1:-}" = 1 ]; then
		defaults="ROUNDS=3 PERIOD=0.25 WARM=0.1 QUERIES=100 COLD_QUERIES=5 INSERTS=200
			CHURN_ROUNDS=2 EFS=10,20,40,80,160,400"
	else
		defaults="ROUNDS=3 PERIOD=0.5 WARM=0.2 QUERIES=1000 COLD_QUERIES=20 INSERTS=1000
			CHURN_ROUNDS=10 EFS=10,15,20,30,40,60,80,120,200,400"
	fi
	for setting in $defaults ROWS_WANTED="${ROWS:-50000}" WRITE_ROWS=20000 CHURN_EF=100 M=16 \
		EF_CONSTRUCTION=64 SHARED_BUFFERS=1GB PEER=vector BESIDE_REBUILD=1 UPKEEP=1; do
		variable=${setting%%=*}
		[ -n "${!variable:-}" ] || export "$setting"
	done
	export EFS=${EFS//,/ }
}
