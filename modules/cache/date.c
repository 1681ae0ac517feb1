/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date: dates as HTTP writes them (RFC 9110, 5.6.7).
 *
 *	Sun, 06 Nov 1994 08:49:37 GMT	the form that is sent
 *	Sunday, 06-Nov-94 08:49:37 GMT	the obsolete form of RFC 850
 *	Sun Nov  6 08:49:37 1994	that of asctime
 *
 * The day of the week is only looked at as far as is needed to tell these apart: it says nothing more.
 */
#include "date.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

struct when {
	int year, month, day, hour, minute, second;	/* month from 0 */
};

/* Days since the epoch; the year begins in March, so that the leap day is the last. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t era;
	unsigned in_era, in_year;

	year -= month < 2;
	era = (year >= 0 ? year : year - 399) / 400;
	in_era = (unsigned)(year - era * 400);
	in_year = (153u * (unsigned)(month + (month > 1 ? -2 : 10)) + 2) / 5 + (unsigned)day - 1;
	return era * 146097 + (int64_t)(in_era * 365 + in_era / 4 - in_era / 100 + in_year) - 719468;
}

/* Match a pattern: 'd' is a digit, '_' a digit or a space, 'm' a letter of a month, anything else itself. */
static bool
fits(const char *text, size_t length, const char *pattern)
{
	if (length != strlen(pattern))
		return false;
	for (size_t i = 0; i < length; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';

		if (pattern[i] == 'd' || pattern[i] == '_') {
			if (!digit && !(pattern[i] == '_' && text[i] == ' '))
				return false;
		} else if (pattern[i] != 'm' && text[i] != pattern[i]) {
			return false;
		}
	}
	return true;
}

static int
number(const char *text, size_t length)
{
	int value = 0;

	for (size_t i = 0; i < length; i++)
		value = value * 10 + (text[i] == ' ' ? 0 : text[i] - '0');
	return value;
}

static int
month_of(const char *text)
{
	for (int i = 0; i < 12; i++)
		if (memcmp(months + (size_t)i * 3, text, 3) == 0)
			return i;
	return -1;
}

/* "08:49:37" */
static void
read_time(struct when *when, const char *text)
{
	when->hour = number(text, 2);
	when->minute = number(text + 3, 2);
	when->second = number(text + 6, 2);
}

static int
days_in(int year, int month)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 1 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : lengths[month];
}

static int64_t
seconds_of(const struct when *when)
{
	int64_t seconds;

	if (when->month < 0 || when->day < 1 || when->day > days_in(when->year, when->month))
		return -1;
	if (when->hour > 23 || when->minute > 59 || when->second > 60)
		return -1;
	seconds = days_of(when->year, when->month, when->day) * DAY + when->hour * 3600 + when->minute * 60 +
		when->second;
	return seconds > 0 ? seconds : 0;
}

/* More than 50 years from now means the past century (RFC 9110, 5.6.7). */
static int
whole_year(int two, int64_t now)
{
	int this_year = (int)(1970 + now / 31556952), year = this_year - this_year % 100 + two;

	if (year < this_year - 49)
		year += 100;
	return year > this_year + 50 ? year - 100 : year;
}

int64_t
cache_date_parse(const char *text, size_t length, int64_t now)
{
	struct when when;
	const char *comma = memchr(text, ',', length);
	size_t rest = comma != NULL ? length - (size_t)(comma - text) : 0;

	if (comma == text + 3 && fits(comma, rest, ", dd mmm dddd dd:dd:dd GMT")) {
		when.day = number(comma + 2, 2);
		when.month = month_of(comma + 5);
		when.year = number(comma + 9, 4);
		read_time(&when, comma + 14);
	} else if (comma != NULL && comma >= text + 6 && comma <= text + 9 &&
		fits(comma, rest, ", dd-mmm-dd dd:dd:dd GMT")) {
		when.day = number(comma + 2, 2);
		when.month = month_of(comma + 5);
		when.year = whole_year(number(comma + 9, 2), now);
		read_time(&when, comma + 12);
	} else if (length == 24 && fits(text + 3, length - 3, " mmm _d dd:dd:dd dddd")) {
		when.day = number(text + 8, 2);
		when.month = month_of(text + 4);
		when.year = number(text + 20, 4);
		read_time(&when, text + 11);
	} else {
		return -1;
	}
	return seconds_of(&when);
}

void
cache_date_write(char to[CACHE_DATE_LENGTH + 1], int64_t seconds)
{
	int64_t day, year;
	int month = 0, left;

	if (seconds < 0 || seconds >= INT64_C(253402300800))	/* year 10000 */
		seconds = 0;
	day = seconds / DAY;
	year = 1970 + day * 400 / 146097;
	while (days_of(year, 0, 1) > day)	/* the division is off by one at most */
		year--;
	while (days_of(year + 1, 0, 1) <= day)
		year++;
	left = (int)(day - days_of(year, 0, 1));
	for (; left >= days_in((int)year, month); month++)
		left -= days_in((int)year, month);
	snprintf(to, CACHE_DATE_LENGTH + 1, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		days + (size_t)((day + 4) % 7) * 3, ((unsigned)left + 1) % 100, months + (size_t)month * 3,
		(unsigned)year % 10000, (unsigned)(seconds / 3600 % 24), (unsigned)(seconds / 60 % 60),
		(unsigned)(seconds % 60));
}
