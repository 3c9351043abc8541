/*-------------------------------------------------------------------------
 *
 * path_tree.c
 *		Find the values at many paths of an object in one walk.
 *
 * Paths that begin alike share branches, so that each object is walked over
 * once, however many columns are inside of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/path_tree.h"

/* A key, below the branch of the key before it. */
typedef struct Branch
{
	const char	   *key;
	size_t			key_length;
	int				first_child; /* its children, in the order in which they were added; -1: none */
	int				last_child;
	int				next_sibling; /* -1: none */
	const JsonNode *value;		  /* what it led to in the last walk, or NULL */
} Branch;

struct PathTree
{
	Branch *branches; /* the first is the object itself */
	int		n_branches;
	int		capacity;
};

static int	add_branch(PathTree *tree, int parent, const char *key);
static int	find_child(const PathTree *tree, int first, const char *key, size_t key_length);
static void walk(PathTree *tree, int parent);

/*
 * Make a tree without paths.
 */
PathTree *
path_tree_create(void)
{
	PathTree *tree = palloc(sizeof(PathTree));

	tree->capacity = 32;
	tree->branches = palloc(tree->capacity * sizeof(Branch));
	tree->n_branches = 1;
	tree->branches[0] = (Branch){.first_child = -1, .last_child = -1, .next_sibling = -1};
	return tree;
}

/*
 * Add a path.
 */
int
path_tree_add(PathTree *tree, const JsonPath *path)
{
	int branch = 0;

	for (int i = 0; i < path->nkeys; i++)
	{
		const char *key = path->keys[i];
		int			child = find_child(tree, tree->branches[branch].first_child, key, strlen(key));

		branch = child >= 0 ? child : add_branch(tree, branch, key);
	}
	return branch;
}

/*
 * Add a key below another.
 */
static int
add_branch(PathTree *tree, int parent, const char *key)
{
	int branch = tree->n_branches;

	if (tree->n_branches == tree->capacity)
	{
		tree->capacity *= 2;
		tree->branches = repalloc(tree->branches, tree->capacity * sizeof(Branch));
	}
	tree->n_branches++;
	tree->branches[branch] = (Branch){.key = key,
									  .key_length = strlen(key),
									  .first_child = -1,
									  .last_child = -1,
									  .next_sibling = -1};
	if (tree->branches[parent].first_child < 0)
		tree->branches[parent].first_child = branch;
	else
		tree->branches[tree->branches[parent].last_child].next_sibling = branch;
	tree->branches[parent].last_child = branch;
	return branch;
}

/*
 * Find the branch of a key among the siblings from the first on; -1: none.
 */
static int
find_child(const PathTree *tree, int first, const char *key, size_t key_length)
{
	int child = first;

	while (child >= 0)
	{
		const Branch *branch = &tree->branches[child];

		if (branch->key_length == key_length && memcmp(branch->key, key, key_length) == 0)
			break;
		child = branch->next_sibling;
	}
	return child;
}

/*
 * Find what all paths lead to.
 */
void
path_tree_walk(PathTree *tree, const JsonNode *object)
{
	for (int i = 1; i < tree->n_branches; i++)
		tree->branches[i].value = NULL;
	tree->branches[0].value = object;
	walk(tree, 0);
}

/*
 * Find what the children of a branch lead to, and all below them.
 *
 * Paths mostly come in the order of the JSON, so the child after the one that was found last is
 * looked at first.  Of a key that comes twice the last one counts, which is why no branch is
 * followed before all members were seen.  The recursion is no deeper than the paths are long.
 */
static void
walk(PathTree *tree, int parent)
{
	Branch		   *branches = tree->branches;
	const JsonNode *object = branches[parent].value;
	int				first = branches[parent].first_child;
	int				expected = first;

	if (first < 0 || json_node_kind(object) != JSON_NODE_OBJECT)
		return;
	for (const JsonNode *member = json_node_first(object); member != NULL;
		 member = json_node_next(object, member))
	{
		size_t		key_length;
		const char *key = json_node_key(member, &key_length);
		int			child = find_child(tree, expected, key, key_length);

		if (child < 0 && expected != first)
			child = find_child(tree, first, key, key_length);
		if (child < 0)
			continue;
		branches[child].value = json_node_kind(member) != JSON_NODE_NULL ? member : NULL;
		expected = branches[child].next_sibling >= 0 ? branches[child].next_sibling : first;
	}
	for (int child = first; child >= 0; child = branches[child].next_sibling)
		walk(tree, child);
}

/*
 * Return what a path led to.
 */
const JsonNode *
path_tree_value(const PathTree *tree, int number)
{
	return tree->branches[number].value;
}
