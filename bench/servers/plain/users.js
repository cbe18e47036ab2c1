export const user = (id) => ({ id, name: 'Ada Lovelace', roles: ['reader', 'writer'], active: true })
