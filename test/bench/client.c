/*
 * client.c
 *	  Runs one prepared statement over and over, on one connection or several,
 *	  and says what it cost the server.
 *
 *	  client [-c CONNECTIONS] [-s SECONDS] [-w SECONDS] [-i SQL] [-o FILE] PARAMETERS STATEMENT
 *
 * The rows of the query PARAMETERS are the parameters of STATEMENT, in turn, in
 * the binary form they came in.  Without -s each row is used once, with -s they
 * are gone through again until the time is up; -w runs unmeasured for a while
 * before.  -i is done first on every connection.  -o writes "row<TAB>result"
 * for each row of parameters and each row that STATEMENT returned for it: the
 * first column, a bigint.  Where to connect to is in the environment, as for psql.
 *
 * Prints, separated by tabs: executions, seconds, CPU and wait for a CPU of the
 * server processes in microseconds per execution, the same wait of this
 * program, and the median, 99th percentile and longest time of an execution in
 * microseconds.  CPU is read from /proc, so the server must run on this machine,
 * and the processes of parallel queries are not counted.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARAMS 8

/* What the kernel says of a process or thread: seconds on a CPU, seconds runnable without one. */
typedef struct Sched
{
	double		cpu;
	double		wait;
} Sched;

typedef struct Client
{
	PGconn	   *conn;
	int			number;
	double	   *times;			/* of each execution, seconds */
	size_t		ntimes;
	size_t		room;
	double		elapsed;
	Sched		server;
	Sched		self;
} Client;

static int	nclients = 1;
static double run_seconds = 0;
static double warm_seconds = 0;
static const char *init_sql = NULL;
static const char *statement;
static FILE *out = NULL;
static PGresult *params;
static pthread_barrier_t ready;
static volatile sig_atomic_t stopped = 0;

static void
stop(int signo)
{
	stopped = signo;
}

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "client: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Exact only while the process sleeps: a server does between two statements. */
static Sched
sched_of(const char *process)
{
	char		path[64];
	unsigned long long cpu,
				wait;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", process);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu %llu", &cpu, &wait) != 2)
		die(path, "cannot read it");
	fclose(file);
	return (Sched) {cpu / 1e9, wait / 1e9};
}

static Sched
sched_of_server(Client *client)
{
	char		pid[16];

	snprintf(pid, sizeof(pid), "%d", PQbackendPID(client->conn));
	return sched_of(pid);
}

static PGresult *
check(PGconn *conn, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die(what, PQerrorMessage(conn));
	return result;
}

static PGconn *
connect_and_init(void)
{
	PGconn	   *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die("connection", PQerrorMessage(conn));
	if (init_sql)
		PQclear(check(conn, PQexec(conn, init_sql), init_sql));
	return conn;
}

/* The ids that a search returned; eight bytes each, the highest first. */
static void
write_result(int row, PGresult *result)
{
	for (int i = 0; i < PQntuples(result); i++)
	{
		unsigned char *byte = (unsigned char *) PQgetvalue(result, i, 0);
		int64_t		id = 0;

		if (PQgetlength(result, i, 0) != 8)
			die(statement, "its first column is no bigint");
		for (int k = 0; k < 8; k++)
			id = id << 8 | byte[k];
		fprintf(out, "%d\t%lld\n", row, (long long) id);
	}
}

static void
execute(Client *client, int row, bool measured)
{
	const char *values[MAX_PARAMS];
	int			lengths[MAX_PARAMS];
	int			formats[MAX_PARAMS];
	int			nparams = PQnfields(params);
	double		start = now();
	PGresult   *result;

	for (int i = 0; i < nparams; i++)
	{
		values[i] = PQgetvalue(params, row, i);
		lengths[i] = PQgetlength(params, row, i);
		formats[i] = 1;
	}
	result = check(client->conn,
				   PQexecPrepared(client->conn, "", nparams, values, lengths, formats, 1), statement);
	if (measured)
	{
		if (client->ntimes == client->room)
		{
			client->room = client->room ? client->room * 2 : 4096;
			client->times = realloc(client->times, client->room * sizeof(double));
			if (client->times == NULL)
				die("memory", "none left");
		}
		client->times[client->ntimes++] = now() - start;
		if (out)
			write_result(row, result);
	}
	PQclear(result);
}

/* Clients take turns in the rows; until `seconds` are over, or once if zero. */
static void
run(Client *client, double seconds, bool measured)
{
	double		end = now() + seconds;
	int			nrows = PQntuples(params);

	for (size_t turn = client->number; !stopped; turn += nclients)
	{
		if (seconds > 0 ? now() >= end : turn >= (size_t) nrows)
			break;
		execute(client, turn % nrows, measured);
	}
}

static void *
client_main(void *arg)
{
	Client	   *client = arg;
	Oid			types[MAX_PARAMS];
	Sched		server,
				self;
	double		start;

	client->conn = connect_and_init();
	for (int i = 0; i < PQnfields(params); i++)
		types[i] = PQftype(params, i);
	PQclear(check(client->conn, PQprepare(client->conn, "", statement, PQnfields(params), types),
				  statement));
	if (warm_seconds > 0)
		run(client, warm_seconds, false);
	pthread_barrier_wait(&ready);

	server = sched_of_server(client);
	self = sched_of("thread-self");
	start = now();
	run(client, run_seconds, true);
	client->elapsed = now() - start;
	client->server = sched_of_server(client);
	client->server.cpu -= server.cpu;
	client->server.wait -= server.wait;
	client->self = sched_of("thread-self");
	client->self.wait -= self.wait;
	PQfinish(client->conn);
	return NULL;
}

static int
compare_times(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
report(const Client *clients)
{
	size_t		n = 0;
	double		elapsed = 0;
	Sched		server = {0, 0};
	double		self_wait = 0;
	double	   *times;

	for (int i = 0; i < nclients; i++)
		n += clients[i].ntimes;
	if (n == 0)
		die(statement, "not executed once");
	times = malloc(n * sizeof(double));
	if (times == NULL)
		die("memory", "none left");
	n = 0;
	for (int i = 0; i < nclients; i++)
	{
		memcpy(times + n, clients[i].times, clients[i].ntimes * sizeof(double));
		n += clients[i].ntimes;
		server.cpu += clients[i].server.cpu;
		server.wait += clients[i].server.wait;
		self_wait += clients[i].self.wait;
		if (clients[i].elapsed > elapsed)
			elapsed = clients[i].elapsed;
	}
	qsort(times, n, sizeof(double), compare_times);
	printf("%zu\t%.6f\t%.3f\t%.3f\t%.3f\t%.1f\t%.1f\t%.1f\n", n, elapsed,
		   server.cpu * 1e6 / n, server.wait * 1e6 / n, self_wait * 1e6 / n,
		   times[n / 2] * 1e6, times[(size_t) (n * 0.99)] * 1e6, times[n - 1] * 1e6);
	free(times);
}

static void
parse_arguments(int argc, char **argv)
{
	int			c;

	while ((c = getopt(argc, argv, "c:s:w:i:o:")) != -1)
	{
		if (c == 'c')
			nclients = atoi(optarg);
		else if (c == 's')
			run_seconds = atof(optarg);
		else if (c == 'w')
			warm_seconds = atof(optarg);
		else if (c == 'i')
			init_sql = optarg;
		else if (c == 'o')
			out = fopen(optarg, "w");
		else
			exit(2);
		if (c == 'o' && out == NULL)
			die(optarg, "cannot write to it");
	}
	if (argc - optind != 2 || nclients < 1 || (out && nclients > 1))
	{
		fprintf(stderr, "usage: client [-c CONNECTIONS] [-s SECONDS] [-w SECONDS] [-i SQL] [-o FILE] PARAMETERS STATEMENT\n"
				"       -o goes with one connection\n");
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	Client	   *clients;
	pthread_t  *threads;

	parse_arguments(argc, argv);
	statement = argv[optind + 1];
	signal(SIGINT, stop);
	signal(SIGTERM, stop);

	conn = connect_and_init();
	params = check(conn, PQexecParams(conn, argv[optind], 0, NULL, NULL, NULL, NULL, 1), argv[optind]);
	PQfinish(conn);
	if (PQntuples(params) == 0 || PQnfields(params) > MAX_PARAMS)
		die(argv[optind], "no rows, or too many columns");

	clients = calloc(nclients, sizeof(Client));
	threads = calloc(nclients, sizeof(pthread_t));
	if (clients == NULL || threads == NULL || pthread_barrier_init(&ready, NULL, nclients) != 0)
		die("memory", "none left");
	for (int i = 0; i < nclients; i++)
	{
		clients[i].number = i;
		if (pthread_create(&threads[i], NULL, client_main, &clients[i]) != 0)
			die("thread", "cannot make one");
	}
	for (int i = 0; i < nclients; i++)
		pthread_join(threads[i], NULL);
	if (out && fclose(out) != 0)
		die("results", "cannot write them");
	report(clients);
	return 0;
}
