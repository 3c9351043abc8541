/*-------------------------------------------------------------------------
 *
 * path_tree.h
 *		Find the values at many paths of an object in one walk.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PATH_TREE_H
#define CRISP_PATH_TREE_H

#include "json/json_path.h"

typedef struct PathTree PathTree;

/* Make a tree without paths, which lives in CurrentMemoryContext. */
extern PathTree *path_tree_create(void);

/*
 * Add a path, which must live as long as the tree.  Returns its number for path_tree_value(); paths
 * that are the same have the same.
 */
extern int path_tree_add(PathTree *tree, const JsonPath *path);

/*
 * Find what all paths lead to in object.  Walks once over the members of those objects that paths
 * lead through, and over nothing else.  Raises nothing.
 */
extern void path_tree_walk(PathTree *tree, const JsonNode *object);

/* Return what a path leads to in the object of the last walk, as json_path_get() would say. */
extern const JsonNode *path_tree_value(const PathTree *tree, int number);

#endif /* CRISP_PATH_TREE_H */
