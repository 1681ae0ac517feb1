/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick: choose one of some seats. Pure: a seat says what it weighs, how busy it is and whether it may be had.
 *
 * The smooth round robin: at each turn every seat gains its weight, and the one that has most is chosen and
 * pays the weights of all. Seats that are left out stand still meanwhile, and go on where they were.
 */
#include "pick.h"

/* Is a less busy than b, by weight? Cross-multiplied: no division, no rounding. */
static bool
is_less_busy(const struct balance_seat *a, const struct balance_seat *b)
{
	return (uint64_t)balance_active(a->load) * b->weight < (uint64_t)balance_active(b->load) * a->weight;
}

/* One turn among the eligible seats that are not busier than `least` (NULL: among all). */
static size_t
take_turn(struct balance_seat *seats, size_t count, const struct balance_seat *least)
{
	size_t best = count;
	int64_t total = 0;

	for (size_t i = 0; i < count; i++) {
		if (!seats[i].eligible || (least != NULL && is_less_busy(least, &seats[i])))
			continue;
		seats[i].current += seats[i].weight;
		total += seats[i].weight;
		if (best == count || seats[i].current > seats[best].current)
			best = i;
	}
	if (best < count)
		seats[best].current -= total;
	return best;
}

size_t
balance_pick_round_robin(struct balance_seat *seats, size_t count)
{
	return take_turn(seats, count, NULL);
}

size_t
balance_pick_least(struct balance_seat *seats, size_t count)
{
	const struct balance_seat *least = NULL;

	for (size_t i = 0; i < count; i++)
		if (seats[i].eligible && (least == NULL || is_less_busy(&seats[i], least)))
			least = &seats[i];
	return least != NULL ? take_turn(seats, count, least) : count;
}

/* By chance among the eligible seats but `other` (`count`: all of them). */
static size_t
draw(const struct balance_seat *seats, size_t count, size_t other, uint32_t random)
{
	uint64_t total = 0, mark;

	for (size_t i = 0; i < count; i++)
		if (seats[i].eligible && i != other)
			total += seats[i].weight;
	mark = random * total >> 32;
	for (size_t i = 0; i < count; i++) {
		if (!seats[i].eligible || i == other)
			continue;
		if (mark < seats[i].weight)
			return i;
		mark -= seats[i].weight;
	}
	return count;
}

size_t
balance_pick_random(const struct balance_seat *seats, size_t count, uint64_t random)
{
	return draw(seats, count, count, (uint32_t)random);
}

size_t
balance_pick_two(const struct balance_seat *seats, size_t count, uint64_t random)
{
	size_t first = draw(seats, count, count, (uint32_t)random);
	size_t second = draw(seats, count, first, (uint32_t)(random >> 32));

	return second < count && is_less_busy(&seats[second], &seats[first]) ? second : first;
}
