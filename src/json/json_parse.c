/*-------------------------------------------------------------------------
 *
 * json_parse.c
 *		Parse JSON text into nodes.
 *
 * PostgreSQL's own lexer finds the tokens and checks them; what may follow
 * what is checked here, in a loop instead of by recursion, so that no depth
 * is a danger, and an error is a sentence rather than an ereport.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "json/json_node.h"
#include "json/json_parse.h"

/* Bytes of text for which room for one node is made at first; Crisp's lists have 23. */
#define BYTES_PER_NODE 20

/* Every so many nodes, less than a millisecond's work, it's asked whether to go on. */
#define NODES_BETWEEN_CHECKS 1024

/* What the next token may be. */
typedef enum Expected
{
	EXPECT_VALUE,
	EXPECT_ELEMENT_OR_END, /* after [ */
	EXPECT_KEY,
	EXPECT_KEY_OR_END, /* after { */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END, /* after a value */
	EXPECT_NOTHING		 /* after the outermost value */
} Expected;

typedef struct Parser
{
	JsonLexContext *lexer;
	JsonNode	   *nodes;
	size_t			n_nodes;
	size_t			capacity;
	size_t			max_nodes;
	char		   *key; /* of the value to come */
	uint32			key_length;
	uint32			open[JSON_MAX_DEPTH]; /* arrays and objects around it, by their nodes */
	int				depth;
	Expected		expected;
	JsonOutcome		outcome;
	const char	   *problem;	/* why it isn't JSON_PARSED; NULL while it is */
	size_t			problem_at; /* byte of the text, from 0 */
} Parser;

static void		 run_parser(Parser *parser, MemoryContext owner, char *text, size_t length,
							size_t max_nodes);
static bool		 accept_token(Parser *parser);
static bool		 add_value(Parser *parser, JsonTokenType token);
static JsonNode *add_node(Parser *parser, JsonNodeKind kind);
static bool		 close_container(Parser *parser, JsonNodeKind kind);
static void		 set_problem(Parser *parser, JsonOutcome outcome, const char *problem);
static bool		 is_cut_token(const char *token, const char *end);

/*
 * Parse a text that the nodes will point into.
 */
JsonOutcome
json_parse_in_place(MemoryContext owner, char *text, size_t length, size_t max_bytes,
					const JsonNode **node, char **error)
{
	Parser parser;

	*node = NULL;
	*error = NULL;
	if (length > JSON_MAX_LENGTH)
	{
		*error = psprintf("%zu bytes are too long for one text", length);
		return JSON_TOO_LARGE;
	}

	run_parser(&parser, owner, text, length, max_bytes / sizeof(JsonNode));
	if (parser.outcome != JSON_PARSED)
	{
		*error = psprintf("%s at byte %zu", parser.problem, parser.problem_at + 1);
		pfree(parser.nodes);
		return parser.outcome;
	}
	if (parser.nodes[0].kind != JSON_NODE_NULL)
		*node = parser.nodes;
	return JSON_PARSED;
}

/*
 * Parse a copy of a text.
 */
bool
json_parse(MemoryContext owner, const char *text, size_t length, const JsonNode **node,
		   char **error)
{
	char *copy = NULL;
	bool  parsed;

	if (length <= JSON_MAX_LENGTH)
	{
		copy = MemoryContextAlloc(owner, length + 1);
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	parsed = json_parse_in_place(owner, copy, length, SIZE_MAX, node, error) == JSON_PARSED;
	if (!parsed && copy != NULL)
		pfree(copy);
	return parsed;
}

/*
 * Make nodes of a text, to its end or to the first problem.  The text is only read.
 */
static void
run_parser(Parser *parser, MemoryContext owner, char *text, size_t length, size_t max_nodes)
{
	parser->lexer = json_lexer_create(text, length);
	parser->n_nodes = 0;
	parser->max_nodes = max_nodes;
	parser->capacity = Min(length / BYTES_PER_NODE + 8, max_nodes);
	parser->nodes = MemoryContextAllocHuge(owner, parser->capacity * sizeof(JsonNode));
	parser->key = NULL;
	parser->key_length = 0;
	parser->depth = 0;
	parser->expected = EXPECT_VALUE;
	parser->outcome = JSON_PARSED;
	parser->problem = NULL;

	do
	{
		JsonParseErrorType lexed = json_lex(parser->lexer);

		if (lexed != JSON_SUCCESS)
		{
			bool cut = lexed == JSON_INVALID_TOKEN &&
					   parser->lexer->token_terminator >= text + length &&
					   is_cut_token(parser->lexer->token_start, text + length);

			set_problem(parser, cut ? JSON_CUT : JSON_INVALID,
						cut ? "unexpected end" : "invalid token");
		}
		else if (parser->lexer->token_type == JSON_TOKEN_END)
		{
			if (parser->expected == EXPECT_NOTHING)
				break;
			set_problem(parser, JSON_CUT, "unexpected end");
		}
		else if (!accept_token(parser) && parser->problem == NULL)
			set_problem(parser, JSON_INVALID, "unexpected token");
	} while (parser->problem == NULL);

	pfree(parser->lexer);
}

/*
 * Go on by one token.  Return false if it doesn't belong there.
 */
static bool
accept_token(Parser *parser)
{
	const JsonLexContext *lexer = parser->lexer;
	JsonTokenType		  token = lexer->token_type;

	switch (parser->expected)
	{
		case EXPECT_ELEMENT_OR_END:
			if (token == JSON_TOKEN_ARRAY_END)
				return close_container(parser, JSON_NODE_ARRAY);
			return add_value(parser, token);

		case EXPECT_VALUE:
			return add_value(parser, token);

		case EXPECT_KEY_OR_END:
			if (token == JSON_TOKEN_OBJECT_END)
				return close_container(parser, JSON_NODE_OBJECT);
			pg_fallthrough;

		case EXPECT_KEY:
			parser->key = (char *) lexer->token_start + 1;
			parser->key_length = (uint32) (lexer->token_terminator - lexer->token_start) - 2;
			parser->expected = EXPECT_COLON;
			return token == JSON_TOKEN_STRING;

		case EXPECT_COLON:
			parser->expected = EXPECT_VALUE;
			return token == JSON_TOKEN_COLON;

		case EXPECT_COMMA_OR_END:
			if (token == JSON_TOKEN_COMMA)
			{
				uint32 container = parser->open[parser->depth - 1];

				parser->expected = parser->nodes[container].kind == JSON_NODE_OBJECT ? EXPECT_KEY
																					 : EXPECT_VALUE;
				return true;
			}
			return close_container(parser, token == JSON_TOKEN_OBJECT_END  ? JSON_NODE_OBJECT
										   : token == JSON_TOKEN_ARRAY_END ? JSON_NODE_ARRAY
																		   : JSON_NODE_NULL);

		case EXPECT_NOTHING:
			break;
	}
	return false;
}

/*
 * Add the value that the token is, or begins.  Return false if it is no value.
 */
static bool
add_value(Parser *parser, JsonTokenType token)
{
	const JsonLexContext *lexer = parser->lexer;
	char				 *text = (char *) lexer->token_start;
	uint32				  length = (uint32) (lexer->token_terminator - lexer->token_start);
	JsonNodeKind		  kind;
	JsonNode			 *node;

	switch (token)
	{
		case JSON_TOKEN_OBJECT_START:
		case JSON_TOKEN_ARRAY_START:
			if (parser->depth == JSON_MAX_DEPTH)
			{
				set_problem(parser, JSON_INVALID, "nesting too deep");
				return false;
			}
			if (add_node(parser, token == JSON_TOKEN_OBJECT_START ? JSON_NODE_OBJECT
																  : JSON_NODE_ARRAY) == NULL)
				return false;
			parser->open[parser->depth++] = (uint32) parser->n_nodes - 1;
			parser->expected = token == JSON_TOKEN_OBJECT_START ? EXPECT_KEY_OR_END
																: EXPECT_ELEMENT_OR_END;
			return true;

		case JSON_TOKEN_STRING:
			kind = JSON_NODE_STRING;
			text += 1;
			length -= 2;
			break;
		case JSON_TOKEN_NUMBER:
			kind = JSON_NODE_NUMBER;
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			kind = JSON_NODE_BOOLEAN;
			break;
		case JSON_TOKEN_NULL:
			kind = JSON_NODE_NULL;
			break;
		default:
			return false;
	}
	node = add_node(parser, kind);
	if (node == NULL)
		return false;
	node->value.text = text;
	node->length = length;
	parser->expected = parser->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
	return true;
}

/*
 * Add a node for the value at hand, with nothing inside yet.  Return NULL if there may be no more.
 */
static JsonNode *
add_node(Parser *parser, JsonNodeKind kind)
{
	JsonNode *node;

	if (parser->n_nodes % NODES_BETWEEN_CHECKS == 0)
		CHECK_FOR_INTERRUPTS();
	if (parser->n_nodes == parser->max_nodes)
	{
		set_problem(parser, JSON_TOO_LARGE, "too many values");
		return NULL;
	}
	if (parser->n_nodes == parser->capacity)
	{
		parser->capacity = Min(parser->capacity * 2, parser->max_nodes);
		parser->nodes = repalloc_huge(parser->nodes, parser->capacity * sizeof(JsonNode));
	}
	node = &parser->nodes[parser->n_nodes++];
	*node = (JsonNode){
		.key = parser->key, .key_length = parser->key_length, .size = 1, .kind = kind};
	if (parser->depth > 0)
		parser->nodes[parser->open[parser->depth - 1]].length++;
	parser->key = NULL;
	parser->key_length = 0;
	return node;
}

/*
 * End the innermost array or object.  Return false if it's not of the kind that the token ends.
 */
static bool
close_container(Parser *parser, JsonNodeKind kind)
{
	uint32	  first = parser->open[parser->depth - 1];
	JsonNode *container = &parser->nodes[first];

	if (container->kind != kind)
		return false;
	container->size = (uint32) parser->n_nodes - first;
	parser->depth--;
	parser->expected = parser->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
	return true;
}

/*
 * Say what is wrong with the token at hand.  At the end of the text, the lexer has none.
 */
static void
set_problem(Parser *parser, JsonOutcome outcome, const char *problem)
{
	const JsonLexContext *lexer = parser->lexer;
	const char			 *token = lexer->token_start;

	if (outcome == JSON_CUT)
		token = lexer->input + lexer->input_length;
	parser->outcome = outcome;
	parser->problem = problem;
	parser->problem_at = token - lexer->input;
}

/*
 * Say whether what the lexer doesn't take, up to the end of the text, may be the beginning of a
 * token.
 */
static bool
is_cut_token(const char *token, const char *end)
{
	size_t length = end - token;

	if (*token == '"' || *token == '-')
		return true;
	if (*token >= '0' && *token <= '9')
		return true;
	return strncmp(token, "true", length) == 0 || strncmp(token, "false", length) == 0 ||
		   strncmp(token, "null", length) == 0;
}
