// scimmy-routers with a store in memory: `node scimmy.mjs PORT TOKEN`.
//
// Resources lie in a map by id, and ids in a map by user name, so that a look-up by user name and the check that it is
// free cost nothing. Every other filter is scimmy's own.
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";
import { randomUUID } from "node:crypto";

const [port, token] = process.argv.slice(2);

function declare(Resource, name) {
    const resources = new Map();
    const byName = new Map();
    const key = (instance) => instance[name].toLowerCase();

    async function ingress(resource, instance) {
        const id = resource.id ?? randomUUID();
        if (resource.id && !resources.has(id)) throw new SCIMMY.Types.Error(404, null, `there is no ${id}`);
        const holder = byName.get(key(instance));
        if (holder !== undefined && holder !== id) throw new SCIMMY.Types.Error(409, "uniqueness", `${name} is taken`);
        const old = resources.get(id);
        if (old !== undefined) byName.delete(key(old));
        const now = new Date().toISOString();
        const meta = { created: old?.meta.created ?? now, lastModified: now };
        const stored = { ...JSON.parse(JSON.stringify(instance)), id, meta };
        resources.set(id, stored);
        byName.set(key(stored), id);
        return stored;
    }

    async function egress(resource) {
        if (resource.id) {
            const found = resources.get(resource.id);
            if (found === undefined) throw new SCIMMY.Types.Error(404, null, `there is no ${resource.id}`);
            return found;
        }
        const filter = resource.filter;
        if (filter === undefined) return [...resources.values()];
        const wanted = filter.length === 1 && Object.keys(filter[0]).length === 1 ? filter[0][name] : undefined;
        if (Array.isArray(wanted) && wanted[0] === "eq") {
            const found = resources.get(byName.get(String(wanted[1]).toLowerCase()));
            return found === undefined ? [] : [found];
        }
        return filter.match([...resources.values()]);
    }

    async function degress(resource) {
        const old = resources.get(resource.id);
        if (old === undefined) throw new SCIMMY.Types.Error(404, null, `there is no ${resource.id}`);
        resources.delete(resource.id);
        byName.delete(key(old));
    }

    SCIMMY.Resources.declare(Resource).ingress(ingress).egress(egress).degress(degress);
}

declare(SCIMMY.Resources.User, "userName");
declare(SCIMMY.Resources.Group, "displayName");
SCIMMY.Config.set({ patch: true, filter: { supported: true, maxResults: 200 } });

const app = express();
const authenticate = (request) => {
    if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("the token is not the one");
    return "bench";
};
app.use("/v2", new SCIMMYRouters({ type: "bearer", docUri: "https://docs.example", handler: authenticate }));
app.listen(Number(port), "127.0.0.1");
