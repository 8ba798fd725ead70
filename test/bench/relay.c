/*-------------------------------------------------------------------------
 *
 * relay.c
 *	  A TCP relay that makes a link long: each byte arrives a while later, and
 *	  a connection takes a round trip to be made.
 *
 *		relay PORT TARGET_PORT ONE_WAY_MICROSECONDS
 *
 * Both ports are on 127.0.0.1.  Two threads for each direction of a connection: one reads
 * and notes when the chunk is due, the other sleeps until then and writes.
 * What is on its way is bounded, as a TCP window would: QUEUE_BYTES in half a
 * round trip are those of a window of twice the size in a whole one, and 6 MiB is what
 * Linux grows a receive window to.  There is no loss, no slow start and
 * no limit of bandwidth.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES	(64 * 1024)
#define QUEUE_BYTES	(3 * 1024 * 1024)

typedef struct Chunk
{
	struct Chunk *next;
	uint64_t	due;
	ssize_t		len;			/* 0: the end */
	char		data[];
} Chunk;

/* One direction of a connection. */
typedef struct Direction
{
	int			in;
	int			out;
	Chunk	   *head;
	Chunk	   *tail;
	size_t		queued;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
} Direction;

static uint64_t delay_ns;
static int	target_port;

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void *
reader(void *arg)
{
	Direction  *dir = arg;
	ssize_t		len;

	do
	{
		Chunk	   *chunk = malloc(sizeof(Chunk) + CHUNK_BYTES);

		len = read(dir->in, chunk->data, CHUNK_BYTES);
		if (len < 0)
			len = 0;
		chunk->next = NULL;
		chunk->len = len;
		chunk->due = now() + delay_ns;
		pthread_mutex_lock(&dir->mutex);
		while (dir->queued > QUEUE_BYTES)
			pthread_cond_wait(&dir->changed, &dir->mutex);
		if (dir->tail != NULL)
			dir->tail->next = chunk;
		else
			dir->head = chunk;
		dir->tail = chunk;
		dir->queued += len;
		pthread_cond_broadcast(&dir->changed);
		pthread_mutex_unlock(&dir->mutex);
	} while (len > 0);
	return NULL;
}

static Chunk *
next_chunk(Direction *dir)
{
	Chunk	   *chunk;
	int64_t		left;

	pthread_mutex_lock(&dir->mutex);
	while (dir->head == NULL)
		pthread_cond_wait(&dir->changed, &dir->mutex);
	chunk = dir->head;
	pthread_mutex_unlock(&dir->mutex);

	left = (int64_t) (chunk->due - now());
	if (left > 0)
	{
		struct timespec t = {left / 1000000000, left % 1000000000};

		nanosleep(&t, NULL);
	}
	return chunk;
}

static void
take_off(Direction *dir, Chunk *chunk)
{
	pthread_mutex_lock(&dir->mutex);
	dir->head = chunk->next;
	if (dir->head == NULL)
		dir->tail = NULL;
	dir->queued -= chunk->len;
	pthread_cond_broadcast(&dir->changed);
	pthread_mutex_unlock(&dir->mutex);
	free(chunk);
}

/* Once the receiver is gone, what still comes is dropped. */
static void *
writer(void *arg)
{
	Direction  *dir = arg;
	int			gone = 0;
	ssize_t		len;

	prctl(PR_SET_TIMERSLACK, 10000UL);
	do
	{
		Chunk	   *chunk = next_chunk(dir);
		ssize_t		done = 0;

		len = chunk->len;
		while (done < len && !gone)
		{
			ssize_t		n = write(dir->out, chunk->data + done, len - done);

			if (n < 0 && errno != EINTR)
				gone = 1;
			else if (n > 0)
				done += n;
		}
		take_off(dir, chunk);
	} while (len > 0);
	shutdown(dir->out, SHUT_WR);
	if (gone)
		shutdown(dir->out, SHUT_RD);
	return NULL;
}

static void
start_direction(int in, int out, pthread_t threads[2])
{
	Direction  *dir = calloc(1, sizeof(Direction));

	dir->in = in;
	dir->out = out;
	pthread_mutex_init(&dir->mutex, NULL);
	pthread_cond_init(&dir->changed, NULL);
	pthread_create(&threads[0], NULL, reader, dir);
	pthread_create(&threads[1], NULL, writer, dir);
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in addr;

	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_port = htons(port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return addr;
}

static int
connect_target(int port)
{
	struct sockaddr_in addr = loopback(port);
	int			sock = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(sock, (struct sockaddr *) &addr, sizeof(addr)) == 0)
		return sock;
	close(sock);
	return -1;
}

/* Lives as long as the connection; the structures of a handful of them may stay. */
static void *
serve(void *arg)
{
	int		   *socks = arg;
	pthread_t	threads[4];
	uint64_t	trip = 2 * delay_ns;
	struct timespec t = {trip / 1000000000, trip % 1000000000};
	int			one = 1;

	nanosleep(&t, NULL);
	socks[1] = connect_target(target_port);
	if (socks[1] < 0)
	{
		close(socks[0]);
		free(socks);
		return NULL;
	}
	setsockopt(socks[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(socks[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	start_direction(socks[0], socks[1], threads);
	start_direction(socks[1], socks[0], threads + 2);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(socks[0]);
	close(socks[1]);
	free(socks);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in addr;
	int			one = 1;
	int			listener = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 4)
	{
		fprintf(stderr, "usage: relay PORT TARGET_PORT ONE_WAY_MICROSECONDS\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	delay_ns = strtoull(argv[3], NULL, 10) * 1000;
	target_port = atoi(argv[2]);
	addr = loopback(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *) &addr, sizeof(addr)) != 0 || listen(listener, 64) != 0)
	{
		perror("relay");
		return 1;
	}
	for (;;)
	{
		int		   *socks = malloc(2 * sizeof(int));
		pthread_t	thread;

		socks[0] = accept(listener, NULL, NULL);
		if (socks[0] < 0)
		{
			free(socks);
			continue;
		}
		pthread_create(&thread, NULL, serve, socks);
		pthread_detach(thread);
	}
}
