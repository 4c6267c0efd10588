# clients.bash - the packages that test/t/long/600_clients.pl needs, where they can be
# had: what is missing is said here, and its tests are skipped.  Sourced by run.

DEBIAN_CLIENTS="python3-psycopg python3-psycopg2 python3-sqlalchemy"
NPM_CLIENTS="pg@8 pgvector@0.3 postgres@3"

missing_debian_clients()
{
	local package

	for package in $DEBIAN_CLIENTS; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed' || echo "$package"
	done
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
}

# In a subshell: where a package cannot be installed, that is no reason to end.
get_debian_clients()
{
	local packages

	[ -e /etc/debian_version ] || return 0
	packages=$(missing_debian_clients)
	[ -n "$packages" ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		say "clients: please install as root:" $packages
		return 0
	fi
	(
		trap remove_setup_files EXIT
		SETUP_LOG=$(mktemp)
		apt update -q >"$SETUP_LOG" 2>&1 || true
		install_packages $packages
	) || say "clients: not all of these could be installed:" $packages
}

# Into $WORK/clients, which is not part of the tree.
get_npm_clients()
{
	command -v npm >/dev/null || return 0
	as_user mkdir -p "$WORK/clients"
	[ ! -e "$WORK/clients/node_modules/.package-lock.json" ] || return 0
	say "clients: npm install $NPM_CLIENTS"
	as_user timeout 180 npm install --prefix "$WORK/clients" --no-audit --no-fund --ignore-scripts \
		--loglevel=error $NPM_CLIENTS </dev/null >"$RUN/npm.log" 2>&1 || {
		tail -n 3 "$RUN/npm.log"
		say "clients: npm could not install $NPM_CLIENTS"
	}
}

get_clients()
{
	get_debian_clients
	get_npm_clients
}
