/*
 * An SCTP endpoint that runs usrsctp over UDP (RFC 6951) on the loopback address. It reads commands from its standard
 * input and writes events to its standard output, one a line. The second column has the response to a command:
 *
 *	usrsctp_peer UDP-PORT PEER-UDP-PORT MTU INTERLEAVING
 *
 *	listen | connect                         waiting | -
 *	send STREAM SIZE SEED COUNT MODE VALUE   sent
 *	reset in|out STREAM                      -
 *	add OUT-STREAMS IN-STREAMS | renumber    -
 *	flush                                    flushed, when all messages sent are acknowledged
 *	abort REASON | shutdown | quit           -
 *
 *	connected OUT-STREAMS IN-STREAMS
 *	message STREAM PPID UNORDERED SIZE FNV64
 *	unsent                                   a message was abandoned
 *	reset in|out|denied|failed STREAM
 *	streams OUT IN | streams refused
 *	renumbered | renumbering refused
 *	closed gracefully | closed by ABORT CAUSE-CODE REASON | closed without ABORT
 *	error WHAT
 *
 * MODE consists of the letters u (unordered), r (at most VALUE retransmissions) and t (a lifetime of VALUE milliseconds),
 * or is -.
 * The COUNT messages have the seeds SEED, SEED+1, ...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

/* Defined in usrsctp's netinet/sctp.h, which is not installed. */
#ifndef SCTP_INTERLEAVING_SUPPORTED
#define SCTP_INTERLEAVING_SUPPORTED 0x00001206
#endif

enum {
	sctp_port = 5000,
	peer_sctp_port = 5001,
	ppid_binary = 53,
	streams = 1024,
	max_streams = 4096, /* including the ones added later */
	buffer_size = 4 << 20,
	read_size = 256 << 10,
	max_message = 4 << 20,
};

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

#define say(...)                                       \
	do {                                           \
		pthread_mutex_lock(&output_lock);      \
		printf(__VA_ARGS__);                   \
		putchar('\n');                         \
		fflush(stdout);                        \
		pthread_mutex_unlock(&output_lock);    \
	} while (0)

static void must(int ok, const char *what)
{
	if (!ok) {
		say("error %s: %s", what, strerror(errno));
		_exit(1);
	}
}

/* The socket of the association. It is set before "connected" is printed, and read after that only. */
static struct socket *volatile association;
static struct socket *bound;

/* An incomplete message: usrsctp delivers large messages in parts. With interleaving, parts of messages of several
   streams alternate. */
struct partial {
	uint8_t *data;
	size_t size;
};
static struct partial partials[max_streams][2];

static uint64_t fnv64(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;
	while (n-- > 0) {
		h = (h ^ *p++) * 0x100000001b3;
	}
	return h;
}

/* Fills a message with the output of xorshift64*. The test computes the same bytes. */
static void fill(uint8_t *p, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;
	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0) {
			x ^= x >> 12;
			x ^= x << 25;
			x ^= x >> 27;
		}
		p[i] = (uint8_t)((x * 0x2545f4914f6cdd1d) >> (8 * (i % 8)));
	}
}

static void set(struct socket *s, int option, const void *value, socklen_t size, const char *name)
{
	must(usrsctp_setsockopt(s, IPPROTO_SCTP, option, value, size) == 0, name);
}

static void configure(struct socket *s, unsigned mtu, int interleaving)
{
	static const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT,
	                                  SCTP_SEND_FAILED_EVENT, SCTP_SHUTDOWN_EVENT, SCTP_STREAM_CHANGE_EVENT,
	                                  SCTP_ASSOC_RESET_EVENT};
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		struct sctp_event e = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
		set(s, SCTP_EVENT, &e, sizeof e, "SCTP_EVENT");
	}
	int on = 1;
	set(s, SCTP_NODELAY, &on, sizeof on, "SCTP_NODELAY");
	set(s, SCTP_RECVRCVINFO, &on, sizeof on, "SCTP_RECVRCVINFO");
	struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC,
	                                 .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ};
	set(s, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset, "SCTP_ENABLE_STREAM_RESET");
	struct sctp_initmsg init = {.sinit_num_ostreams = streams, .sinit_max_instreams = max_streams};
	set(s, SCTP_INITMSG, &init, sizeof init, "SCTP_INITMSG");
	struct sctp_paddrparams path = {.spp_assoc_id = SCTP_FUTURE_ASSOC, .spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = mtu};
	set(s, SCTP_PEER_ADDR_PARAMS, &path, sizeof path, "SCTP_PEER_ADDR_PARAMS");
	int level = interleaving ? 2 : 0;
	set(s, SCTP_FRAGMENT_INTERLEAVE, &level, sizeof level, "SCTP_FRAGMENT_INTERLEAVE");
	struct sctp_assoc_value idata = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = (uint32_t)interleaving};
	set(s, SCTP_INTERLEAVING_SUPPORTED, &idata, sizeof idata, "SCTP_INTERLEAVING_SUPPORTED");
	int size = buffer_size;
	must(usrsctp_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0, "SO_RCVBUF");
	must(usrsctp_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0, "SO_SNDBUF");
}

/* Prints the reason in the peer's ABORT chunk, which is in sac_info. */
static void say_abort(const struct sctp_assoc_change *c)
{
	const uint8_t *chunk = c->sac_info;
	size_t size = c->sac_length > sizeof *c ? c->sac_length - sizeof *c : 0;
	if (size == 0) {
		say("closed without ABORT");
		return;
	}
	unsigned code = 0, length = 4;
	if (size >= 8) {
		code = (unsigned)chunk[4] << 8 | chunk[5];
		length = (unsigned)chunk[6] << 8 | chunk[7];
	}
	if (length < 4 || 4 + length > size) {
		length = 4;
	}
	say("closed by ABORT %u %.*s", code, (int)(length - 4), (const char *)chunk + 8);
}

static void notification(const union sctp_notification *n)
{
	switch (n->sn_header.sn_type) {
	case SCTP_ASSOC_CHANGE:
		switch (n->sn_assoc_change.sac_state) {
		case SCTP_COMM_LOST:
		case SCTP_CANT_STR_ASSOC:
			say_abort(&n->sn_assoc_change);
			break;
		case SCTP_SHUTDOWN_COMP:
			say("closed gracefully");
			break;
		}
		break;
	case SCTP_STREAM_RESET_EVENT: {
		const struct sctp_stream_reset_event *e = &n->sn_strreset_event;
		const char *what = e->strreset_flags & SCTP_STREAM_RESET_DENIED ? "denied"
		                   : e->strreset_flags & SCTP_STREAM_RESET_FAILED ? "failed"
		                   : e->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? "in"
		                                                                        : "out";
		size_t count = (e->strreset_length - sizeof *e) / sizeof(uint16_t);
		for (size_t i = 0; i < count; i++) {
			say("reset %s %u", what, (unsigned)e->strreset_stream_list[i]);
		}
		break;
	}
	case SCTP_PARTIAL_DELIVERY_EVENT: {
		/* The rest of a message that was delivered in part will not arrive. */
		unsigned id = n->sn_pdapi_event.pdapi_stream;
		if (id < max_streams) {
			partials[id][0].size = partials[id][1].size = 0;
		}
		break;
	}
	case SCTP_STREAM_CHANGE_EVENT:
		if (n->sn_strchange_event.strchange_flags & (SCTP_STREAM_CHANGE_DENIED | SCTP_STREAM_CHANGE_FAILED)) {
			say("streams refused");
		} else {
			say("streams %u %u", (unsigned)n->sn_strchange_event.strchange_outstrms,
			    (unsigned)n->sn_strchange_event.strchange_instrms);
		}
		break;
	case SCTP_ASSOC_RESET_EVENT:
		say(n->sn_assocreset_event.assocreset_flags & (SCTP_ASSOC_RESET_DENIED | SCTP_ASSOC_RESET_FAILED)
		        ? "renumbering refused"
		        : "renumbered");
		break;
	case SCTP_SEND_FAILED_EVENT:
		say("unsent");
		break;
	}
}

static void *receive(void *unused)
{
	(void)unused;
	struct socket *s = association;
	uint8_t *part = malloc(read_size);
	must(part != NULL, "malloc");
	for (;;) {
		struct sctp_rcvinfo info = {0};
		socklen_t info_size = sizeof info;
		unsigned type = 0;
		int flags = 0;
		ssize_t n = usrsctp_recvv(s, part, read_size, NULL, NULL, &info, &info_size, &type, &flags);
		if (n <= 0) {
			say("end of the stream");
			return NULL;
		}
		if (flags & MSG_NOTIFICATION) {
			notification((const union sctp_notification *)part);
			continue;
		}
		must(type == SCTP_RECVV_RCVINFO && info.rcv_sid < max_streams, "rcvinfo");
		int unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
		struct partial *p = &partials[info.rcv_sid][unordered];
		if (p->data == NULL) {
			p->data = malloc(max_message);
			must(p->data != NULL, "malloc");
		}
		must(p->size + (size_t)n <= max_message, "message size");
		memcpy(p->data + p->size, part, (size_t)n);
		p->size += (size_t)n;
		if (flags & MSG_EOR) {
			say("message %u %u %d %zu %016llx", (unsigned)info.rcv_sid, (unsigned)ntohl(info.rcv_ppid), unordered,
			    p->size, (unsigned long long)fnv64(p->data, p->size));
			p->size = 0;
		}
	}
}

static void *connected(void *s)
{
	association = s;
	struct sctp_status status = {0};
	socklen_t size = sizeof status;
	must(usrsctp_getsockopt(s, IPPROTO_SCTP, SCTP_STATUS, &status, &size) == 0, "SCTP_STATUS");
	say("connected %u %u", (unsigned)status.sstat_outstrms, (unsigned)status.sstat_instrms);
	return receive(NULL);
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static void *do_accept(void *unused)
{
	(void)unused;
	struct socket *s = usrsctp_accept(bound, NULL, NULL);
	must(s != NULL, "accept");
	return connected(s);
}

static void *do_connect(void *unused)
{
	(void)unused;
	struct sockaddr_in to = loopback(peer_sctp_port);
	must(usrsctp_connect(bound, (struct sockaddr *)&to, sizeof to) == 0, "connect");
	return connected(bound);
}

static void do_send(unsigned stream, size_t size, uint64_t seed, unsigned count, const char *mode, uint32_t value)
{
	uint8_t *message = malloc(size);
	must(message != NULL, "malloc");
	struct sctp_sendv_spa how = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
	how.sendv_sndinfo.snd_sid = (uint16_t)stream;
	how.sendv_sndinfo.snd_ppid = htonl(ppid_binary);
	if (strchr(mode, 'u') != NULL) {
		how.sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
	}
	if (strpbrk(mode, "rt") != NULL) {
		how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
		how.sendv_prinfo.pr_policy = strchr(mode, 'r') != NULL ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
		how.sendv_prinfo.pr_value = value;
	}
	for (unsigned i = 0; i < count; i++) {
		fill(message, size, seed + i);
		ssize_t n = usrsctp_sendv(association, message, size, NULL, 0, &how, sizeof how, SCTP_SENDV_SPA, 0);
		must(n == (ssize_t)size, "sendv");
	}
	free(message);
	say("sent");
}

static void do_reset(const char *direction, unsigned stream)
{
	socklen_t size = (socklen_t)(sizeof(struct sctp_reset_streams) + sizeof(uint16_t));
	struct sctp_reset_streams *r = calloc(1, size);
	must(r != NULL, "calloc");
	r->srs_assoc_id = SCTP_ALL_ASSOC;
	r->srs_flags = strcmp(direction, "in") == 0 ? SCTP_STREAM_RESET_INCOMING : SCTP_STREAM_RESET_OUTGOING;
	r->srs_number_streams = 1;
	r->srs_stream_list[0] = (uint16_t)stream;
	set(association, SCTP_RESET_STREAMS, r, size, "SCTP_RESET_STREAMS");
	free(r);
}

static void do_add(unsigned out, unsigned in)
{
	struct sctp_add_streams a = {.sas_assoc_id = SCTP_ALL_ASSOC, .sas_outstrms = (uint16_t)out, .sas_instrms = (uint16_t)in};
	set(association, SCTP_ADD_STREAMS, &a, sizeof a, "SCTP_ADD_STREAMS");
}

static void do_flush(void)
{
	for (;;) {
		struct sctp_status status = {0};
		socklen_t size = sizeof status;
		must(usrsctp_getsockopt(association, IPPROTO_SCTP, SCTP_STATUS, &status, &size) == 0, "SCTP_STATUS");
		if (status.sstat_unackdata == 0 && status.sstat_penddata == 0) {
			say("flushed");
			return;
		}
		usleep(1000);
	}
}

static void do_renumber(void)
{
	sctp_assoc_t id = SCTP_ALL_ASSOC;
	int result;
	/* usrsctp returns EBUSY while data is outstanding. */
	while ((result = usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_ASSOC, &id, sizeof id)) != 0 && errno == EBUSY) {
		usleep(1000);
	}
	must(result == 0, "SCTP_RESET_ASSOC");
}

static void do_abort(const char *reason)
{
	struct sctp_sndinfo how = {.snd_flags = SCTP_ABORT};
	usrsctp_sendv(association, reason, strlen(reason), NULL, 0, &how, sizeof how, SCTP_SENDV_SNDINFO, 0);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: usrsctp_peer UDP-PORT PEER-UDP-PORT MTU INTERLEAVING\n");
		return 2;
	}
	unsigned port = (unsigned)atoi(argv[1]), peer_port = (unsigned)atoi(argv[2]), mtu = (unsigned)atoi(argv[3]);
	usrsctp_init((uint16_t)port, NULL, NULL);
	usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
	usrsctp_sysctl_set_sctp_blackhole(2);
	bound = usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	must(bound != NULL, "socket");
	configure(bound, mtu, atoi(argv[4]));
	struct sctp_udpencaps encapsulation = {.sue_port = htons((uint16_t)peer_port)};
	encapsulation.sue_address.ss_family = AF_INET;
	set(bound, SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation, sizeof encapsulation, "SCTP_REMOTE_UDP_ENCAPS_PORT");
	struct sockaddr_in address = loopback(sctp_port);
	must(usrsctp_bind(bound, (struct sockaddr *)&address, sizeof address) == 0, "bind");

	char line[1024], word[16], mode[16];
	unsigned stream, count, value;
	size_t size;
	unsigned long long seed;
	pthread_t thread;
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, "listen") == 0) {
			must(usrsctp_listen(bound, 1) == 0, "listen");
			must(pthread_create(&thread, NULL, do_accept, NULL) == 0, "thread");
			say("waiting");
		} else if (strcmp(line, "connect") == 0) {
			must(pthread_create(&thread, NULL, do_connect, NULL) == 0, "thread");
		} else if (sscanf(line, "send %u %zu %llu %u %15s %u", &stream, &size, &seed, &count, mode, &value) == 6) {
			do_send(stream, size, seed, count, mode, value);
		} else if (sscanf(line, "reset %15s %u", word, &stream) == 2) {
			do_reset(word, stream);
		} else if (sscanf(line, "add %u %u", &stream, &count) == 2) {
			do_add(stream, count);
		} else if (strcmp(line, "flush") == 0) {
			do_flush();
		} else if (strcmp(line, "renumber") == 0) {
			do_renumber();
		} else if (strncmp(line, "abort ", 6) == 0) {
			do_abort(line + 6);
		} else if (strcmp(line, "shutdown") == 0) {
			must(usrsctp_shutdown(association, SHUT_WR) == 0, "shutdown");
		} else if (strcmp(line, "quit") == 0) {
			break;
		} else {
			say("error unknown command: %s", line);
		}
	}
	_exit(0);
}
