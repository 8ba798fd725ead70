/*-------------------------------------------------------------------------
 *
 * yaml_tree.h
 *	  A YAML document as a tree that remembers its lines.
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
	bool		merged;			/* came with "<<" */
} TreePair;

/* Anchored nodes are shared by their aliases: the tree is a graph. */
struct TreeNode
{
	TreeKind	kind;
	int			line;
	bool		plain;			/* a scalar without quotes and tag */
	char	   *text;			/* of a scalar, in the server's encoding */
	int			count;			/* of a list's items or a map's pairs */
	int			space;
	TreeNode  **items;
	TreePair   *pairs;
};

/*
 * The only document of text, NULL when there is none.  Merge keys are carried
 * out as Ruby's Psych does.  Raises CONFIG_FILE_ERROR with path and line for
 * malformed YAML, text that is not UTF-8, several documents, duplicate keys,
 * tags, ERB, unknown aliases; PROGRAM_LIMIT_EXCEEDED when it is too large.
 */
extern TreeNode *yaml_tree_parse(const char *path, const char *text, size_t len);

/* Is the node what YAML calls null?  (Quoted, it is a string.) */
extern bool tree_is_null(const TreeNode *node);

#endif							/* PGTUNSYNC_YAML_TREE_H */
