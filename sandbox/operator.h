/*
 * operator.h
 *		Tell who an operator is, for the rows that refer to one.
 */
#ifndef SANDBOX_OPERATOR_H
#define SANDBOX_OPERATOR_H

#include "dataset.h"

/* Write the user_id of a generated operator, and what conversations call him. */
extern void operator_user_id(const Website *website, uint32_t number, char user_id[KEY_SIZE]);
extern const char *operator_nickname(uint32_t number);
extern void		   operator_avatar(uint32_t number, char *avatar, size_t size);

/* Say whether the website has an operator with this user_id, also a changed one. */
extern bool operator_exists(const Website *website, const char *user_id);

/* Choose a generated operator that can be assigned to, at random; -1 when there is none. */
extern int16_t operator_choose(const Website *website, Random *random);

#endif /* SANDBOX_OPERATOR_H */
