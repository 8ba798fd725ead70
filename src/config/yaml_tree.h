/*-------------------------------------------------------------------------
 *
 * yaml_tree.h
 *	  Parses a YAML document into a tree with line numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_YAML_TREE_H
#define PGTUNSYNC_YAML_TREE_H

typedef enum TreeKind
{
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP
} TreeKind;

typedef struct TreeNode TreeNode;

typedef struct TreePair
{
	TreeNode   *key;			/* always a scalar */
	TreeNode   *value;
	uint32		hash;			/* of the key */
	bool		merged;			/* added by "<<" */
} TreePair;

/* Aliases share the node of their anchor, so the tree is a graph. */
struct TreeNode
{
	TreeKind	kind;
	int			line;
	bool		plain;			/* a scalar without quotes or tag */
	char	   *text;			/* text of a scalar, in the server's encoding */
	int			count;			/* number of items of a list or pairs of a map */
	int			space;
	TreeNode  **items;
	TreePair   *pairs;
};

/*
 * Parses the only document in text.  Returns NULL if there is none.  Merge
 * keys are applied as Ruby's Psych does.  Raises CONFIG_FILE_ERROR with path
 * and line for malformed YAML, text that is not UTF-8, several documents,
 * duplicate keys, tags, ERB and unknown aliases.  Raises
 * PROGRAM_LIMIT_EXCEEDED if the document is too large.
 */
extern TreeNode *yaml_tree_parse(const char *path, const char *text, size_t len);

/*
 * Returns whether YAML reads the node as null.  A quoted "null" is a string.
 */
extern bool tree_is_null(const TreeNode *node);

#endif							/* PGTUNSYNC_YAML_TREE_H */
