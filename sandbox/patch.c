/*
 * patch.c
 *		Change members of a row.
 */
#include "patch.h"

#include "dataset.h"
#include "json_path.h"

static const char *
apply_sets(json_object *tree, json_object *set)
{
	if (set == NULL)
		return NULL;
	if (!json_object_is_type(set, json_type_object))
		return "set must be an object of path to value";
	json_object_object_foreach(set, path, value)
	{
		json_object *copy = NULL;

		if (value != NULL)
			json_object_deep_copy(value, &copy, NULL);
		if (!json_path_set(tree, path, copy))
			return "a path of set leads through something that is no object";
	}
	return NULL;
}

static const char *
apply_unsets(json_object *tree, json_object *unset)
{
	if (unset == NULL)
		return NULL;
	if (!json_object_is_type(unset, json_type_array))
		return "unset must be an array of paths";
	for (size_t i = 0; i < json_object_array_length(unset); i++)
	{
		json_object *path = json_object_array_get_idx(unset, i);

		if (!json_object_is_type(path, json_type_string))
			return "unset must be an array of paths";
		if (!json_path_unset(tree, json_object_get_string(path)))
			return "a path of unset is not in the row";
	}
	return NULL;
}

const char *
patch_row(Collection *collection, uint32_t id, json_object *set, json_object *unset)
{
	json_object *tree;
	const char	*error;

	if (collection->rows[id].flags & ROW_VERBATIM)
		return "the row's text is verbatim, and cannot be patched";
	tree = collection_tree(collection, id);
	error = apply_sets(tree, set);
	if (error == NULL)
		error = apply_unsets(tree, unset);
	if (error == NULL)
	{
		size_t		len;
		const char *text = json_text(tree, &len);

		collection_set_text(collection, id, text, len, false);
	}
	json_object_put(tree);
	return error;
}

void
touch_row(Collection *collection, uint32_t id, int64_t updated_at)
{
	const Row *row = &collection->rows[id];

	if (row->own != NULL && !(row->flags & ROW_VERBATIM))
	{
		json_object *set = json_object_new_object();

		json_object_object_add(set, collection->type->updated_path,
							   json_object_new_int64(updated_at));
		patch_row(collection, id, set, NULL);
		json_object_put(set);
		return;
	}
	collection_set_time(collection, id, SORT_UPDATED, updated_at);
}

int64_t
next_moment(const Collection *collection)
{
	int64_t newest = collection_newest(collection, SORT_UPDATED);

	if (newest == NO_TIME)
		return collection->website->dataset->options->now;
	return (newest > collection->newest_gone ? newest : collection->newest_gone) + 1;
}
