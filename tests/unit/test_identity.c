/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for identities: files become contents or errors with the line that names them, and contents are shared.
 */
#include "config_scenes.h"
#include "certificates.h"
#include "server/generation.h"
#include "server/identity.h"
#include "server/trust.h"

#include <errno.h>
#include <utime.h>
#include <weir/build.h>

static const char configuration[] =
	"[weir]\n"
	"threads = 1\n"
	"[certificate a]\n"
	"certificate = a.pem\n"
	"key = a.key\n"
	"staple = a.ocsp\n"
	"[certificate b]\n"
	"certificate = b.pem\n";

static struct made root, middle, leaf, other;
static char text[MADE_ROOM];

/* A generation that is being built: nothing but its configuration and credentials. */
struct building {
	struct generation generation;
	struct weir_build build;
};

static void
begin_build(struct building *b)
{
	memset(b, 0, sizeof(*b));
	write_file("weir.ini", configuration);
	arena_init(&b->generation.arena, NULL, 0);
	b->generation.last_use = &b->generation.uses;
	b->generation.config = config_read("weir.ini", &scene_report);
	assert_non_null(b->generation.config);
	b->build = (struct weir_build){ .generation = &b->generation, .report = &scene_report, .file = "weir.ini", .line = 3 };
}

static void
end_build(struct building *b)
{
	credential_release(&b->generation);
	config_free(&b->generation.config);
	arena_free(&b->generation.arena);
}

/* As an option of type WEIR_PATH gives it. */
static const char *
path(const struct building *b, const char *name)
{
	static char paths[4][512];
	static unsigned at;

	if (name == NULL)
		return NULL;
	at = (at + 1) % 4;
	snprintf(paths[at], sizeof(paths[at]), "%s/%s", b->generation.config->folder, name);
	return paths[at];
}

static const struct weir_identity *
ask(struct building *b, const char *certificate, const char *key, const char *staple)
{
	b->build.line = strcmp(certificate, "b.pem") == 0 ? 7 : 3;
	return weir_build_identity(&b->build, path(b, certificate), path(b, key), path(b, staple));
}

static void
write_chain(const char *name, const struct made *first, const struct made *second, const struct made *third)
{
	text[0] = '\0';
	add_certificate(text, first);
	if (second != NULL)
		add_certificate(text, second);
	if (third != NULL)
		add_certificate(text, third);
	write_file(name, text);
}

static void
write_key(const char *name, const struct made *it)
{
	text[0] = '\0';
	add_key(text, it);
	write_file(name, text);
	chmod(name, 0600);
}

static int
begin_identity(void **state)
{
	root = make("root", (struct made_as){ .authority = true });
	middle = make("middle", (struct made_as){ .issuer = &root, .authority = true });
	leaf = make("leaf", (struct made_as){ .issuer = &middle, .host = "weir.test" });
	other = make("other", (struct made_as){ .issuer = &middle, .host = "weir.test" });
	if (begin_scene(state) != 0)
		return -1;
	write_chain("a.pem", &leaf, &middle, NULL);
	write_key("a.key", &leaf);
	return 0;
}

static int
end_identity(void **state)
{
	made_free(&root);
	made_free(&middle);
	made_free(&leaf);
	made_free(&other);
	assert_null(credential_first());
	return end_scene(state);
}

/* Reading ends with exactly this said. */
static void
assert_reading(const char *certificate, const char *key, const char *staple, const char *expected)
{
	struct building b;
	bool good;

	begin_build(&b);
	ask(&b, certificate, key, staple);
	good = credential_read_all(&b.generation, &scene_report);
	assert_int_equal(good, strstr(expected, "error") == NULL);
	end_build(&b);
	assert_string_equal(said(), expected);
}

static void
a_chain_with_its_key_is_there_when_it_was_read(void **state)
{
	const struct identity_content *content;
	const struct weir_identity *identity;
	struct building b;

	(void)state;
	begin_build(&b);
	identity = ask(&b, "a.pem", "a.key", NULL);
	assert_null(identity_hold(identity));
	assert_true(credential_read_all(&b.generation, &scene_report));
	assert_string_equal(said(), "");
	content = identity_hold(identity);
	assert_int_equal(content->chain_length, 2);
	assert_int_equal(content->algorithm, GNUTLS_PK_ECDSA);
	assert_int_equal(content->expires, gnutls_x509_crt_get_expiration_time(leaf.certificate));
	assert_ptr_equal(content, identity_peek(identity));
	end_build(&b);
	assert_int_equal(content->chain_length, 2);	/* who holds it may use it */
	identity_drop(&content);
	assert_null(content);
}

static void
the_key_may_lie_with_the_certificate(void **state)
{
	(void)state;
	text[0] = '\0';
	add_key(text, &leaf);
	add_certificate(text, &leaf);
	write_file("b.pem", text);
	chmod("b.pem", 0600);
	assert_reading("b.pem", NULL, NULL, "");
}


#define CERTIFICATE(LINE, NAME) "weir.ini:" LINE ": error: the certificate %s/" NAME ": "
#define KEY(LINE, NAME) "weir.ini:" LINE ": error: the key %s/" NAME ": "

static void
assert_wrong(const char *certificate, const char *key, const char *expected)
{
	char folder[256], line[1024];

	snprintf(line, sizeof(line), expected, getcwd(folder, sizeof(folder)));
	strcat(line, "\n");
	assert_reading(certificate, key, NULL, line);
}

static void
files_that_cannot_be_read_are_errors_at_their_lines(void **state)
{
	static char big[1024 * 1024 + 1];

	(void)state;
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "cannot be read: No such file or directory; is the path right?");
	assert_int_equal(mkdir("b.pem", 0700), 0);
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "cannot be read: Is a directory; name a file");
	assert_int_equal(rmdir("b.pem"), 0);
	write_bytes("b.pem", big, sizeof(big));
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "is larger than 1024 KiB, which no file of this kind should be");
	write_bytes("b.pem", big, sizeof(big) - 1);
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "there is no certificate in PEM form in it; from DER it is "
		"made by `openssl x509 -inform der`");
	write_file("a.key", "");
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "there is no private key in PEM form in it; from DER it is made by "
		"`openssl pkey -inform der`");
	assert_int_equal(remove("a.key"), 0);
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "cannot be read: No such file or directory; is the path right?");
}

/* How many errors there are; they all say this. */
static unsigned
count_errors(const char *certificate, const char *key, const char *what)
{
	struct building b;
	unsigned errors;

	begin_build(&b);
	ask(&b, certificate, key, NULL);
	credential_read_all(&b.generation, &scene_report);
	end_build(&b);
	errors = scene_report.errors;
	for (const struct report_line *line = scene_report.first; line != NULL; line = line->next)
		assert_non_null(strstr(line->text, what));
	report_free(&scene_report);
	return errors;
}

/* What GnuTLS would take as far as it goes. */
static void
a_file_that_was_cut_short_is_an_error(void **state)
{
	(void)state;
	text[0] = '\0';
	add_certificate(text, &leaf);
	add_certificate(text, &middle);
	text[strlen(text) - 100] = '\0';
	write_file("b.pem", text);
	assert_int_equal(count_errors("b.pem", "a.key", "is the file whole?"), 1);
	text[0] = '\0';
	add_key(text, &leaf);
	text[strlen(text) / 2] = '\0';
	write_file("a.key", text);
	assert_int_equal(count_errors("a.pem", "a.key", "is the file whole?"), 1);
}

static void
what_is_no_certificate_is_told_apart(void **state)
{
	(void)state;
	write_file("b.pem", "");
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "there is no certificate in it: it is empty");
	write_key("b.pem", &leaf);
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "there is no certificate in it, but something else");
	write_chain("a.key", &leaf, NULL, NULL);
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "there is no private key in it; name its file by the key option");
	write_file("a.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "the private key is encrypted, and there is nobody to ask for its "
		"password; decrypt it by `openssl pkey`");
}

static void
a_chain_out_of_order_is_an_error(void **state)
{
	(void)state;
	write_chain("b.pem", &leaf, &root, &middle);
	assert_wrong("b.pem", "a.key", CERTIFICATE("8", "b.pem") "the chain is not in order: certificate 1 was not issued by "
		"certificate 2; write the server's or client's own certificate first, then who issued it, and so on");
	write_chain("b.pem", &leaf, &middle, &root);
	assert_reading("b.pem", "a.key", NULL, "");
}

static void
a_key_of_another_certificate_is_an_error(void **state)
{
	(void)state;
	write_key("a.key", &other);
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "the private key is not that of the certificate; was only one of the "
		"two renewed?");
	write_key("a.key", &middle);
	assert_wrong("a.pem", "a.key", KEY("5", "a.key") "the private key is that of certificate 2 of the chain; write that "
		"certificate first");
}

static void
what_only_time_makes_bad_is_warned_of(void **state)
{
	struct made old = make("old", (struct made_as){ .issuer = &middle, .begins = -20, .ends = -10 });
	struct made early = make("early", (struct made_as){ .issuer = &middle, .begins = 10, .ends = 20 });
	struct building b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		write_chain("b.pem", i == 0 ? &old : &early, &middle, NULL);
		write_key("a.key", i == 0 ? &old : &early);
		begin_build(&b);
		ask(&b, "b.pem", "a.key", NULL);
		assert_true(credential_read_all(&b.generation, &scene_report));
		assert_int_equal(scene_report.warnings, 1);
		assert_non_null(strstr(scene_report.first->text, i == 0 ? "expired on " : "is not valid before "));
		report_free(&scene_report);
		end_build(&b);
	}
	made_free(&old);
	made_free(&early);
}

static void
a_key_that_everybody_can_read_is_warned_of(void **state)
{
	char folder[256], line[1024];

	(void)state;
	assert_int_equal(chmod("a.key", 0644), 0);
	snprintf(line, sizeof(line), "weir.ini:5: warning: the key %s/a.key: everybody on this machine can read the private key "
		"(mode 0644): chmod o= it\n", getcwd(folder, sizeof(folder)));
	assert_reading("a.pem", "a.key", NULL, line);
	assert_int_equal(chmod("a.key", 0640), 0);
	assert_reading("a.pem", "a.key", NULL, "");
}

static void
equal_contents_are_one_wherever_they_lie(void **state)
{
	const struct weir_identity *a, *again, *copy;
	struct building b;

	(void)state;
	write_chain("b.pem", &leaf, &middle, NULL);
	begin_build(&b);
	a = ask(&b, "a.pem", "a.key", NULL);
	again = ask(&b, "a.pem", "a.key", NULL);
	copy = ask(&b, "b.pem", "a.key", NULL);
	assert_true(credential_read_all(&b.generation, &scene_report));
	assert_ptr_equal(a, again);
	assert_ptr_not_equal(a, copy);
	assert_ptr_equal(identity_peek(a), identity_peek(copy));
	end_build(&b);
}

/* The serial and the names of a certificate say nothing: other bytes are another one. */
static void
a_certificate_with_the_same_names_and_serial_is_another_content(void **state)
{
	struct made twin = make("leaf", (struct made_as){ .issuer = &middle, .host = "weir.test" });
	const struct weir_identity *a, *other_one;
	struct building b;

	(void)state;
	write_chain("b.pem", &twin, &middle, NULL);
	write_key("b.key", &twin);
	begin_build(&b);
	a = ask(&b, "a.pem", "a.key", NULL);
	other_one = ask(&b, "b.pem", "b.key", NULL);
	assert_true(credential_read_all(&b.generation, &scene_report));
	assert_ptr_not_equal(identity_peek(a), identity_peek(other_one));
	end_build(&b);
	made_free(&twin);
}

static void
generations_share_what_has_not_changed(void **state)
{
	struct building first, second;
	const struct weir_identity *a, *b;
	const void *content;

	(void)state;
	begin_build(&first);
	a = ask(&first, "a.pem", "a.key", NULL);
	assert_true(credential_read_all(&first.generation, &scene_report));
	content = identity_peek(a);
	begin_build(&second);
	b = ask(&second, "a.pem", "a.key", NULL);
	assert_ptr_equal(a, b);
	assert_true(credential_read_all(&second.generation, &scene_report));
	assert_ptr_equal(identity_peek(b), content);
	end_build(&first);
	assert_ptr_equal(identity_peek(b), content);
	end_build(&second);
}

static void
a_change_is_seen_and_a_broken_one_changes_nothing(void **state)
{
	struct building first, second;
	const struct weir_identity *a;
	const struct identity_content *held;

	(void)state;
	begin_build(&first);
	a = ask(&first, "a.pem", "a.key", NULL);
	assert_true(credential_read_all(&first.generation, &scene_report));
	held = identity_hold(a);

	write_file("a.key", "nonsense");
	begin_build(&second);
	ask(&second, "a.pem", "a.key", NULL);
	assert_false(credential_read_all(&second.generation, &scene_report));
	assert_ptr_equal(identity_peek(a), held);
	report_free(&scene_report);
	end_build(&second);

	write_chain("a.pem", &other, &middle, NULL);
	write_key("a.key", &other);
	begin_build(&second);
	ask(&second, "a.pem", "a.key", NULL);
	assert_true(credential_read_all(&second.generation, &scene_report));
	assert_ptr_not_equal(identity_peek(a), held);
	assert_int_equal(held->chain_length, 2);
	identity_drop(&held);
	end_build(&second);
	end_build(&first);
}

/* Within the clock's tick a second change may leave the first one's times: such a file is read again. */
static void
a_file_is_believed_unchanged_only_when_it_is_old_enough(void **state)
{
	struct file_stamp young, old, now;

	(void)state;
	file_ask(&young, "a.key");
	file_ask(&now, "a.key");
	assert_true(young.young);
	assert_false(file_is_same(&young, &now));
	assert_false(file_has_changed(&young, &now));
	old = young;
	old.young = now.young = false;
	assert_true(file_is_same(&old, &now));
	assert_int_equal(utime("a.key", &(struct utimbuf){ .actime = 1, .modtime = 1 }), 0);
	file_ask(&now, "a.key");
	assert_true(file_has_changed(&old, &now));
	file_ask(&now, "nothing");
	assert_int_equal(now.error, ENOENT);
	assert_true(file_has_changed(&old, &now));
	file_ask(&young, "nothing");
	assert_true(file_is_same(&young, &now));
}

#undef SCENE
#define SCENE(NAME) cmocka_unit_test_setup_teardown(NAME, begin_identity, end_identity)

int
main(void)
{
	const struct CMUnitTest scenes[] = {
		SCENE(a_chain_with_its_key_is_there_when_it_was_read),
		SCENE(the_key_may_lie_with_the_certificate),
		SCENE(files_that_cannot_be_read_are_errors_at_their_lines),
		SCENE(a_file_that_was_cut_short_is_an_error),
		SCENE(what_is_no_certificate_is_told_apart),
		SCENE(a_chain_out_of_order_is_an_error),
		SCENE(a_key_of_another_certificate_is_an_error),
		SCENE(what_only_time_makes_bad_is_warned_of),
		SCENE(a_key_that_everybody_can_read_is_warned_of),
		SCENE(equal_contents_are_one_wherever_they_lie),
		SCENE(a_certificate_with_the_same_names_and_serial_is_another_content),
		SCENE(generations_share_what_has_not_changed),
		SCENE(a_change_is_seen_and_a_broken_one_changes_nothing),
		SCENE(a_file_is_believed_unchanged_only_when_it_is_old_enough),
	};

	return cmocka_run_group_tests_name("identity", scenes, NULL, NULL);
}
