/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access: allow and deny by address, and by a client's certificate.
 *
 * The first rule that holds the client decides. Rules of a [listen] section decide at accept, by the
 * socket's address, and are a key of their own: what guards a route may name clients behind a proxy
 * whose connection must get in.
 *
 * When settings are checked, their rules become a binary trie a family, so that ten thousand of them
 * cost a request no more than the bits of one address. The rules lie in one array: the earlier of two is
 * the lower pointer. Rules by certificate are tried one after another, up to the one that the address has.
 */
#include <string.h>
#include <strings.h>
#include <weir/module.h>

/* What a rule looks at. */
enum subject { ADDRESS, ANY_CERTIFICATE, NAME, FINGERPRINT, ISSUER };

struct rule {
	const char *text;
	enum subject subject;
	struct weir_network network;	/* of ADDRESS */
	const char *value;		/* of the others */
	bool allow;
};

/* Where the bits on the way from the root lead; `rule` is the first that names exactly these bits. */
struct node {
	struct node *next[2];
	const struct rule *rule;
};

struct rules {
	struct weir_list list;		/* struct rule, as written */
	struct node ipv4, ipv6;
	const struct rule *unix_socket;
	const struct rule **certified;	/* those by certificate, in their order */
	size_t certified_count;
};

struct settings {
	struct rules request, connect;
	int otherwise, source;
};

enum { ALLOW, DENY };
enum { CLIENT, PEER };
enum { DENIED, CONNECTIONS_DENIED };
static const char *const verdicts[] = { "allow", "deny", NULL };
static const char *const sources[] = { "client", "peer", NULL };

/* The word that a rule begins with; *operand is the rest. NULL: it is none of the two. */
static const char *
parse_verdict(struct weir_build *build, const char *text, struct rule *rule, const char **operand)
{
	size_t word = strcspn(text, " \t");

	*operand = text + word + strspn(text + word, " \t");
	rule->text = weir_build_printf(build, "%s", text);
	rule->allow = word == strlen("allow") && memcmp(text, "allow", word) == 0;
	if (!rule->allow && !(word == strlen("deny") && memcmp(text, "deny", word) == 0))
		return "a rule is `allow NETWORK` or `deny NETWORK`";
	return NULL;
}

/* 64 hexadecimal digits, as tools print them: in any case, with colons or without. */
static const char *
parse_fingerprint(struct weir_build *build, const char *text)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	char *to = weir_build_alloc(build, 65, 1);
	size_t length = 0;

	for (; to != NULL && *text != '\0'; text++) {
		if (*text == ':')
			continue;
		if (length == 64 || strchr(digits, *text) == NULL)
			return NULL;
		to[length++] = (char)(*text >= 'A' && *text <= 'F' ? *text - 'A' + 'a' : *text);
	}
	return length == 64 ? to : NULL;
}

/* Does the operand speak of a certificate? */
static bool
parse_certificate(struct weir_build *build, const char *operand, struct rule *rule)
{
	static const struct {
		const char *word;
		enum subject subject;
	} words[] = { { "san:", NAME }, { "fingerprint:", FINGERPRINT }, { "issuer:", ISSUER } };

	if (strcmp(operand, "certificate") == 0)
		rule->subject = ANY_CERTIFICATE;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i].word);

		if (strncmp(operand, words[i].word, length) != 0)
			continue;
		rule->subject = words[i].subject;
		rule->value = rule->subject == FINGERPRINT ? parse_fingerprint(build, operand + length) :
			weir_build_printf(build, "%s", operand + length);
	}
	return rule->subject != ADDRESS;
}

static const char *
parse_rule(struct weir_build *build, const char *text, void *value)
{
	struct rule *rule = value;
	const char *operand, *why = parse_verdict(build, text, rule, &operand);

	if (why != NULL)
		return why;
	if (!parse_certificate(build, operand, rule))
		return weir_parse_network(operand, &rule->network, &why) ? NULL : why;
	if (rule->subject == FINGERPRINT && rule->value == NULL)
		return "a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits";
	return rule->value != NULL && *rule->value == '\0' ? "there is nothing after the colon" : NULL;
}

/* Connections are judged before TLS begins: there are no certificates yet. */
static const char *
parse_connect(struct weir_build *build, const char *text, void *value)
{
	struct rule *rule = value;
	const char *operand, *why = parse_verdict(build, text, rule, &operand);

	if (why != NULL)
		return why;
	return weir_parse_network(operand, &rule->network, &why) ? NULL : why;
}

static const struct weir_option options[] = {
	{ "rule", WEIR_CUSTOM, offsetof(struct settings, request.list), .repeat = true,
	  .size = sizeof(struct rule), .parse = parse_rule,
	  .doc = "`allow WHO` or `deny WHO`, where WHO is a network, as 10.0.0.0/8, 2001:db8::/32, unix or all; "
		 "or a client by its verified certificate: san:NAME, fingerprint:SHA256, issuer:NAME, or "
		 "certificate for any. "
		 "The first rule that holds the client decides." },
	{ "default", WEIR_CHOICE, offsetof(struct settings, otherwise), .choices = verdicts,
	  .initial = "allow", .doc = "What happens to an address that no rule holds." },
	{ "source", WEIR_CHOICE, offsetof(struct settings, source), .choices = sources, .initial = "client",
	  .doc = "Whose address: the client's, as trusted proxies tell it, or the socket's peer." },
	{ "connect", WEIR_CUSTOM, offsetof(struct settings, connect.list), .repeat = true,
	  .size = sizeof(struct rule), .parse = parse_connect, .in = WEIR_IN_LISTEN,
	  .doc = "A rule for connections, which are closed at once. What no rule holds is let in." },
	{ .name = NULL }
};

static const struct weir_metric metrics[] = {
	[DENIED] = { "denied_total", false, "Requests answered 403." },
	[CONNECTIONS_DENIED] = { "connections_denied_total", false, "Connections closed at accept." },
	{ .name = NULL }
};

static unsigned
bit_of(const uint8_t *bytes, unsigned bit)
{
	return bytes[bit / 8] >> (7 - bit % 8) & 1u;
}

static void
insert(struct weir_build *build, struct node *node, const struct rule *rule)
{
	struct node **next;

	for (unsigned bit = 0; bit < rule->network.bits; bit++, node = *next) {
		next = &node->next[bit_of(rule->network.bytes, bit)];
		if (*next == NULL && (*next = weir_build_alloc(build, 1, sizeof(**next))) == NULL)
			return;
	}
	if (node->rule == NULL)
		node->rule = rule;
}

/* `closed`: does something deny? Where nothing does, the operator must have meant something else. */
static void
index_rules(struct weir_build *build, struct rules *rules, bool closed)
{
	const struct rule *rule = rules->list.items;

	memset(&rules->ipv4, 0, sizeof(rules->ipv4));
	memset(&rules->ipv6, 0, sizeof(rules->ipv6));
	rules->unix_socket = NULL;
	rules->certified_count = 0;
	if ((rules->certified = weir_build_alloc(build, rules->list.count, sizeof(rule))) == NULL)
		return;
	closed |= rules->list.count == 0;
	for (size_t left = rules->list.count; left > 0; left--, rule++) {
		sa_family_t family = rule->network.family;

		if (rule->subject != ADDRESS) {
			rules->certified[rules->certified_count++] = rule;
			closed |= !rule->allow;
			continue;
		}
		if (family == AF_INET || family == AF_UNSPEC)
			insert(build, &rules->ipv4, rule);
		if (family == AF_INET6 || family == AF_UNSPEC)
			insert(build, &rules->ipv6, rule);
		if ((family == AF_UNIX || family == AF_UNSPEC) && rules->unix_socket == NULL)
			rules->unix_socket = rule;
		closed |= !rule->allow || family == AF_UNSPEC;
	}
	if (!closed)
		weir_build_error(build, "these access rules deny nobody: end them with `deny all`, or, "
			"where that is meant, with `allow all`");
}

static void
check(struct weir_build *build, void *s)
{
	struct settings *set = s;

	index_rules(build, &set->request, set->otherwise == DENY);
	index_rules(build, &set->connect, false);
}

static const uint8_t *
ipv4_bytes(const struct sockaddr *address)
{
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (address->sa_family == AF_INET)
		return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
	return IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? in6->sin6_addr.s6_addr + 12 : NULL;
}

/* The first rule that holds the address, or NULL. */
static const struct rule *
first_rule(const struct rules *rules, const struct sockaddr *address)
{
	const struct node *node = &rules->ipv4;
	const struct rule *first = NULL;
	const uint8_t *bytes;
	unsigned bits = 32;

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return rules->unix_socket;
	if ((bytes = ipv4_bytes(address)) == NULL) {
		bytes = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
		node = &rules->ipv6;
		bits = 128;
	}
	for (unsigned bit = 0; node != NULL; bit++) {
		if (node->rule != NULL && (first == NULL || node->rule < first))
			first = node->rule;
		node = bit < bits ? node->next[bit_of(bytes, bit)] : NULL;
	}
	return first;
}

static bool
has_name(struct weir_connection *c, const char *wanted)
{
	unsigned position = 0;
	enum weir_name kind;
	const char *name;

	while ((name = weir_client_name(c, &position, &kind)) != NULL)
		if (kind == WEIR_NAME_DNS ? strcasecmp(name, wanted) == 0 : strcmp(name, wanted) == 0)
			return true;
	return false;
}

static bool
holds(const struct rule *rule, struct weir_connection *c)
{
	switch (rule->subject) {
	case NAME:
		return has_name(c, rule->value);
	case FINGERPRINT:
		return strcmp(weir_client_fingerprint(c), rule->value) == 0;
	case ISSUER:
		return strcmp(weir_client_issuer(c), rule->value) == 0;
	default:
		return true;
	}
}

/* The first rule by certificate that holds the client and stands before the one that its address has. */
static const struct rule *
first_certified(const struct rules *rules, struct weir_exchange *x, const struct rule *before)
{
	struct weir_connection *c = weir_exchange_connection(x);

	if (rules->certified_count == 0 || !weir_client_is_verified(c))
		return before;
	for (size_t i = 0; i < rules->certified_count; i++) {
		if (before != NULL && rules->certified[i] > before)
			break;
		if (holds(rules->certified[i], c))
			return rules->certified[i];
	}
	return before;
}

static enum weir_verdict
guard_request(struct weir_exchange *x, const void *c, void *s)
{
	const struct settings *set = c;
	const struct sockaddr *address = set->source == PEER ? weir_peer_address(x) : weir_client_address(x);
	const struct rule *rule = first_certified(&set->request, x, first_rule(&set->request, address));
	char text[64];

	(void)s;
	if (rule != NULL ? rule->allow : set->otherwise == ALLOW)
		return WEIR_NEXT;
	weir_count(x, DENIED, 1);
	weir_fail(x, 403, "%s is denied access by `%s`", weir_address_text(address, text),
		rule == NULL ? "default = deny" : rule->text);
	return WEIR_FAIL;
}

static enum weir_verdict
guard_connection(struct weir_connection *connection, const void *c, void *s)
{
	const struct settings *set = c;
	const struct rule *rule = first_rule(&set->connect, weir_connection_address(connection));

	(void)s;
	if (rule == NULL || rule->allow)
		return WEIR_NEXT;
	weir_connection_count(connection, CONNECTIONS_DENIED, 1);
	return WEIR_FAIL;
}

static bool
needed(const void *c, enum weir_phase phase)
{
	const struct settings *set = c;

	if (phase == WEIR_PHASE_ACCEPT)
		return set->connect.list.count > 0;
	return set->request.list.count > 0 || set->otherwise == DENY;
}

WEIR_MODULE(access) = {
	WEIR_ABI,
	.summary = "Allow and deny by address or certificate.",
	.options = options,
	.metrics = metrics,
	.settings_size = sizeof(struct settings),
	.order = WEIR_CLASS_EARLY,
	.check = check,
	.needed = needed,
	.accept = guard_connection,
	.hooks = { [WEIR_PHASE_ACCESS] = guard_request },
};
