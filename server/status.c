/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the registered status codes of HTTP and their phrases.
 *
 * A row per class, indexed by the last two digits: the whole table is smaller than a search over it.
 */
#include "status.h"

#include <stddef.h>

static const char *const informational[] = {
	[0] = "Continue", [1] = "Switching Protocols", [2] = "Processing", [3] = "Early Hints",
};

static const char *const successful[] = {
	[0] = "OK", [1] = "Created", [2] = "Accepted", [3] = "Non-Authoritative Information",
	[4] = "No Content", [5] = "Reset Content", [6] = "Partial Content", [7] = "Multi-Status",
	[8] = "Already Reported", [26] = "IM Used",
};

static const char *const redirection[] = {
	[0] = "Multiple Choices", [1] = "Moved Permanently", [2] = "Found", [3] = "See Other",
	[4] = "Not Modified", [5] = "Use Proxy", [7] = "Temporary Redirect", [8] = "Permanent Redirect",
};

static const char *const client_error[] = {
	[0] = "Bad Request", [1] = "Unauthorized", [2] = "Payment Required", [3] = "Forbidden",
	[4] = "Not Found", [5] = "Method Not Allowed", [6] = "Not Acceptable",
	[7] = "Proxy Authentication Required", [8] = "Request Timeout", [9] = "Conflict",
	[10] = "Gone", [11] = "Length Required",
	[12] = "Precondition Failed", [13] = "Content Too Large", [14] = "URI Too Long",
	[15] = "Unsupported Media Type", [16] = "Range Not Satisfiable", [17] = "Expectation Failed",
	[21] = "Misdirected Request", [22] = "Unprocessable Content", [23] = "Locked",
	[24] = "Failed Dependency", [25] = "Too Early", [26] = "Upgrade Required",
	[28] = "Precondition Required", [29] = "Too Many Requests",
	[31] = "Request Header Fields Too Large", [51] = "Unavailable For Legal Reasons",
};

static const char *const server_error[] = {
	[0] = "Internal Server Error", [1] = "Not Implemented", [2] = "Bad Gateway",
	[3] = "Service Unavailable", [4] = "Gateway Timeout", [5] = "HTTP Version Not Supported",
	[6] = "Variant Also Negotiates", [7] = "Insufficient Storage", [8] = "Loop Detected",
	[11] = "Network Authentication Required",
};

#define ROW(row) { row, sizeof(row) / sizeof((row)[0]) }

static const struct {
	const char *const *phrases;
	size_t count;
} classes[] = {
	ROW(informational), ROW(successful), ROW(redirection), ROW(client_error), ROW(server_error),
};

const char *
status_reason(int status)
{
	size_t row = (size_t)(status / 100 - 1), column = (size_t)(status % 100);
	const char *phrase = NULL;

	if (status >= 100 && status <= 599 && column < classes[row].count)
		phrase = classes[row].phrases[column];
	return phrase != NULL ? phrase : "Unknown";
}
